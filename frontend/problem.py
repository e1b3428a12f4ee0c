"""A refusal of the web process as a problem document (RFC 9457), as the API's own are."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse, Response


def problem(
    status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": []}
    return JSONResponse(body, status, headers, media_type="application/problem+json")
