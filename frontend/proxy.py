"""`/api/*` passed on to the API as it comes and goes: no buffer, no interpretation."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from urllib.parse import quote

import httpx
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Scope

from frontend.problem import problem

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class Proxy:
    """Same origin, same API: a browser and a script need one address."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def answer(self, request: Request) -> Response:
        """The API's answer, streamed; a problem document while the API is away."""
        try:
            return await self._passed(request)
        except httpx.LocalProtocolError:
            return nowhere()
        except ClientDisconnect:
            return problem(408, "Request Timeout", "The body took too long.")
        except httpx.TransportError:
            return unavailable()

    async def _passed(self, request: Request) -> Response:
        outgoing = self._http.build_request(
            request.method,
            "/api",
            headers=[
                (name.encode("latin-1"), value.encode("latin-1"))
                for name, value in end_to_end(request.headers.items())
            ],
            content=request.stream() if _has_body(request) else None,
            timeout=httpx.Timeout(30.0, connect=2.0, read=None),  # event streams may be silent
            extensions={"target": target(request.scope)},
        )
        answer = await self._http.send(outgoing, stream=True)
        return _streamed(answer)


def target(scope: Scope) -> bytes:
    """The address as it was asked for: httpx's own would resolve `..` and write escapes anew."""
    path = bytes(scope.get("raw_path") or quote(scope["path"]).encode())
    query = bytes(scope["query_string"])
    return path + b"?" + query if query else path


def _streamed(answer: httpx.Response) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        except httpx.TransportError:
            return  # the API went away in the middle; the reader sees the stream end
        finally:
            await answer.aclose()

    response = StreamingResponse(
        chunks(), answer.status_code, background=BackgroundTask(answer.aclose)
    )
    response.raw_headers = [
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in end_to_end(answer.headers.multi_items())
    ]
    return response


def end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers that are meant for the other end: none that only speak of one connection."""
    found = [(name.lower(), value) for name, value in headers]
    named = {
        token.strip().lower()
        for name, value in found
        if name == "connection"
        for token in value.split(",")
    }
    return [(name, value) for name, value in found if name not in HOP_BY_HOP | named]


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def nowhere() -> Response:
    """For a path that no address can have, such as one with a null byte."""
    return problem(404, "Not Found", "There is nothing at this address.")


def unavailable() -> Response:
    detail = "The web server is up, the API behind it does not answer; try again shortly."
    return problem(503, "The API is away", detail, {"Retry-After": "2"})
