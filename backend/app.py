"""The application as a function of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp, Scope

from backend import errors, openapi
from backend.access import Door
from backend.audit import Audit
from backend.auth import SAFE, Body, Gate, allowed_hosts
from backend.hub import Hub
from backend.limits import Buckets
from backend.parts import Parts
from backend.queue import Queue
from backend.reading import known_query
from backend.requests import Requests
from backend.routes import (
    access,
    artifacts,
    catalog,
    docs,
    events,
    health,
    jobs,
    measurements,
    metrics,
    operator,
    overlay,
    papers,
    probes,
    sweeps,
    transfer,
)
from backend.store.engine import Store
from worker.contract.catalog import Catalog
from worker.contract.settings import Settings

PREFIX = "/api/v1"
IMPORT_S = 600.0
ROOMS = (
    *(jobs, measurements, overlay, events, artifacts),
    *(transfer, probes, sweeps, papers, catalog, access, operator, health, metrics, docs),
)


def create_app(
    settings: Settings, store: Store, queue: Queue, catalogue: Catalog, token: str
) -> ASGIApp:
    """REST v1 behind its gate. Whoever gave the parts closes them."""
    app = FastAPI(
        title="Normscope",
        version="1",
        description="Launch, watch and compare jobs that train and attack neural networks.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses={"4XX": {"model": errors.ProblemDocument}},
        dependencies=[Depends(known_query)],
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "auto_configure": False,
            "exclude": _untraced,
        },
    )
    app.state.parts = Parts(settings, store, queue, catalogue, Requests(catalogue))
    app.state.hub = Hub(queue.url)
    for room in ROOMS:
        app.include_router(room.router, prefix=PREFIX)
    for room in (health, metrics):
        app.include_router(room.router, include_in_schema=False)
    errors.install(app)
    openapi.describe(app, app.state.parts.requests)
    door, buckets = Door(token, store), Buckets(settings.rate_limit)
    bodies = {f"{PREFIX}/import": Body(settings.import_bytes, IMPORT_S)}
    return Gate(app, door, Audit(store), buckets, allowed_hosts(settings), bodies)


def _untraced(scope: Scope) -> bool:
    """Whether a request changes nothing, or has a query, in which somebody may send a token."""
    return scope["method"] in SAFE or bool(scope["query_string"])


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with app.state.hub:
        yield
