"""The explorer's own scripts as one file and its styles as another: sixty files would each cost a
page a round trip the first time, and milliseconds every time.

They are read when the process starts, and their address holds a fingerprint of what is in them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response

ASSETS = Path(__file__).with_name("assets")
IN_HEAD = {"scheme.js", "early.js"}
"""index.html has them: they run before there is a page."""
TYPES = {"js": "text/javascript", "css": "text/css"}


def serve(server: FastAPI) -> dict[str, list[str]]:
    """Both at addresses of their own, which come back as Dash's settings."""
    scripts, styles = (_serve(server, suffix) for suffix in TYPES)
    return {"external_scripts": [scripts], "external_stylesheets": [styles]}


def _serve(server: FastAPI, suffix: str) -> str:
    content, path = whole(suffix), f"/assets/all.{suffix}"

    async def answer() -> Response:
        return Response(content, media_type=TYPES[suffix])

    server.add_api_route(path, answer, methods=["GET"], include_in_schema=False)
    return f"{path}?m={int(hashlib.sha256(content).hexdigest()[:15], 16)}"


def whole(suffix: str) -> bytes:
    files = (file for file in sorted(ASSETS.glob(f"*.{suffix}")) if file.name not in IN_HEAD)
    return b"\n".join(file.read_bytes() for file in files)
