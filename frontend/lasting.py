"""Files that never change under their address: packed once, and kept by browsers for a year.

An address holds a fingerprint, of a package's version or of a file's time (`?m=`).
"""

from __future__ import annotations

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PACKAGES = re.compile(r"/_dash-component-suites/.+\.v\d+_\d+_\d+m\d+\.[\w.]+")
ASSETS, TIME = "/assets/", re.compile(rb"m=[\d.]{1,20}")
YEAR = "private, max-age=31536000, immutable"
MOST_FILES = 500


class Lasting:
    """Wraps what packs answers, so that it need not do so twice."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._kept: dict[bytes, list[Message]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not lasting(scope) or "gzip" not in Headers(scope=scope).get("accept-encoding", ""):
            await self.app(scope, receive, send)
            return
        key = scope["path"].encode() + b"?" + scope["query_string"]
        if key not in self._kept:
            await self._read(key, scope, receive, send)
            return
        for message in self._kept[key]:
            await send(dict(message))

    async def _read(self, key: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        told: list[Message] = []

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["cache-control"] = YEAR
            told.append({**message, "headers": list(message.get("headers", []))})
            await send(message)

        await self.app(scope, receive, telling)
        whole = told and told[0].get("status") == 200 and not told[-1].get("more_body")
        if whole and len(self._kept) < MOST_FILES:
            self._kept[key] = told


def lasting(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "GET":
        return False
    if scope["path"].startswith(ASSETS):
        return TIME.fullmatch(scope["query_string"]) is not None
    return not scope["query_string"] and PACKAGES.fullmatch(scope["path"]) is not None
