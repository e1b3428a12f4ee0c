"""The catalogue as it is committed, a small API in a real server, and the gate before it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn
from dash.development.base_component import Component
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from frontend import api
from frontend.api import Catalog
from frontend.app import dash_app
from frontend.gate import Gate
from frontend.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-of-sixteen-or-more"
T = TypeVar("T")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    text = (ROOT / "worker/contract/catalog.json").read_text()
    found: Catalog = json.loads(text)
    return found


def components(layout: Any) -> Iterator[Component]:
    """Every component of a layout."""
    if isinstance(layout, Component):
        yield layout
        yield from components(getattr(layout, "children", None))
    elif isinstance(layout, list | tuple):
        for part in layout:
            yield from components(part)


def by_id(layout: Any, id: Any) -> Component:
    return next(part for part in components(layout) if getattr(part, "id", None) == id)


class SmallApi:
    """Answers as REST v1 does where the front end's own rooms are tested."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.release = threading.Event()
        routes = [
            Route("/api/v1/session", self._session),
            Route("/api/v1/events", self._events),
            Route("/api/v1/refused", self._refused, methods=["POST"]),
            Route("/api/v1/raw/{rest:path}", self._raw),
            Route("/api/v1/echo", self._echo, methods=["GET", "POST", "DELETE"]),
        ]
        self.app = Starlette(routes=routes)

    async def _session(self, request: Request) -> Response:
        self.asked.append(request)
        good = request.headers.get("authorization") == f"Bearer {TOKEN}"
        return Response(status_code=204 if good else 401)

    async def _events(self, request: Request) -> Response:
        async def told() -> AsyncIterator[str]:
            yield "event: state\ndata: 1\n\n"
            while not self.release.is_set():
                await asyncio.sleep(0.01)
            yield "event: state\ndata: 2\n\n"

        return StreamingResponse(told(), media_type="text/event-stream")

    async def _refused(self, request: Request) -> Response:
        problem = {"title": "Bad spec", "detail": "one field", "status": 422}
        errors = [{"field": "spec.epochs", "message": "too few"}]
        return JSONResponse({**problem, "errors": errors}, 422)

    async def _raw(self, request: Request) -> Response:
        return Response(request.scope["raw_path"])

    async def _echo(self, request: Request) -> Response:
        body = (await request.body()).decode()
        headers = dict(request.headers.items())
        said = {"method": request.method, "query": request.url.query, "body": body}
        answer = JSONResponse({**said, "headers": headers})
        answer.headers["connection"] = "x-secret-hop"
        answer.headers["x-secret-hop"] = "not for you"
        return answer


@pytest.fixture
def small_api() -> Iterator[tuple[SmallApi, str]]:
    """The small API and its address, in a real server on a free port."""
    small = SmallApi()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = uvicorn.Config(small.app, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield small, f"http://127.0.0.1:{listening.getsockname()[1]}"
        small.release.set()
        server.should_exit = True
        thread.join(5)


@cache
def pages() -> tuple[FastAPI, list[str]]:
    """Dash behind the gate, made once: nothing of it depends on the API's address."""
    server = FastAPI(openapi_url=None)
    return server, list(dash_app(server).csp_hashes())


Visit = Callable[[httpx.AsyncClient, Gate], Coroutine[Any, Any, T]]


def visiting(api_url: str, visit: Visit[T], base: str = "http://localhost", **client: Any) -> T:
    """What a visitor of a gate before the API at `api_url` finds."""

    async def go() -> T:
        async with api.client(api_url) as http:
            server, hashes = pages()
            gate = Gate(server, http, Settings().allowed_hosts, hashes)
            transport = httpx.ASGITransport(gate)
            async with httpx.AsyncClient(transport=transport, base_url=base, **client) as visitor:
                return await visit(visitor, gate)

    return asyncio.run(go())
