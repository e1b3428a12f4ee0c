"""The Dash application: a function of its settings and its HTTP client to the API."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dash
import httpx
from dash import Dash
from dash._pages import _path_to_page
from dash.backends._fastapi import reset_current_request, set_current_request
from dash.exceptions import DependencyException
from fastapi import FastAPI, Request, Response
from starlette.middleware.gzip import GZipMiddleware

from frontend import api, bundle
from frontend.frame import frame
from frontend.gate import Gate
from frontend.lasting import Lasting
from frontend.problem import problem
from frontend.settings import Settings
from frontend.wellformed import WellFormed

INDEX = (Path(__file__).parent / "index.html").read_text()


def create_app(settings: Settings, http: httpx.AsyncClient | None = None) -> Gate:
    """The whole web process as one ASGI app: the gate, and Dash behind it."""
    http = http or api.client(settings.api_url)
    server = FastAPI(openapi_url=None, lifespan=_closing(http))
    server.state.http = http
    pages = dash_app(server)
    server.add_exception_handler(DependencyException, _no_such_file)
    server.add_middleware(WellFormed, callbacks=pages.callback_map)
    server.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    server.add_middleware(Lasting)
    return Gate(server, http, settings.allowed_hosts, pages.csp_hashes())


def dash_app(server: FastAPI) -> Dash:
    """Dash with its pages on a server, complete before the first request."""
    app = Dash(
        "frontend",
        server=server,
        use_pages=True,
        title="Normscope",
        update_title=None,
        index_string=INDEX,
        include_assets_files=False,
        **bundle.serve(server),
        include_pages_meta=False,
        suppress_callback_exceptions=True,
        add_log_handler=False,
        on_error=_failed,
    )
    app.backend.websocket_capability = False  # nothing here needs one; do not announce it
    app.layout = frame()
    # Dash would finish setting up at its first request to "/" alone, and a visitor who comes in
    # through another page would get an index without the router's scripts.
    for finish in app.backend._before_request_funcs:
        finish()
    _serve_pages(app, server)
    return app


async def _no_such_file(request: Request, error: Exception) -> Response:
    """Dash alone would answer 500 to a script that none of its packages has."""
    return problem(404, "Not Found", "There is nothing at this address.")


def _failed(error: Exception) -> None:
    """A callback's own fault: Dash alone would answer 500 and tell nobody why."""
    logging.getLogger("normscope.web").error("a callback failed", exc_info=error)
    raise error


def _serve_pages(app: Dash, server: FastAPI) -> None:
    """Pages with their status: Dash's own catch-all, registered later, would answer 200 always."""

    async def page(request: Request) -> Response:
        token = set_current_request(request)
        try:
            html = app.index()
        finally:
            reset_current_request(token)
        found, _ = _path_to_page(request.url.path.strip("/"))
        return Response(html, 200 if found else 404, media_type="text/html")

    server.add_api_route("/{path:path}", page, methods=["GET"], include_in_schema=False)


def _closing(http: httpx.AsyncClient) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> Any:
        yield
        await http.aclose()

    return lifespan


def registered() -> list[str]:
    """The paths of every page there is."""
    return [page["path_template"] or page["path"] for page in dash.page_registry.values()]
