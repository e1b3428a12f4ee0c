"""What the routes stand on, handed to them by the application."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import orjson
from fastapi import Depends, Request
from starlette.responses import Response

from backend.access import OWNER, Visitor
from backend.errors import Problem
from backend.queue import Queue
from backend.requests import Requests
from backend.store import jobs
from backend.store.engine import Store
from backend.thinned import Thinned
from worker.contract.catalog import Catalog
from worker.contract.settings import Settings

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True)
class Parts:
    settings: Settings
    store: Store
    queue: Queue
    catalog: Catalog
    requests: Requests
    visitor: Visitor = OWNER
    thinned: Thinned = field(default_factory=Thinned)


def parts(request: Request) -> Parts:
    found = request.app.state.parts
    assert isinstance(found, Parts)
    return replace(found, visitor=request.scope["visitor"])


Given = Annotated[Parts, Depends(parts)]


def is_id(text: str) -> bool:
    """Whether this could be an id at all; nothing else is asked of the database."""
    return _ID.fullmatch(text) is not None


def job_row(given: Parts, id: str) -> jobs.Row:
    """The job; 404 where there is none."""
    with given.store.read() as connection:
        row = jobs.get(connection, id) if is_id(id) else None
    if row is None:
        raise Problem(404, "No job has this id.")
    return row


def json(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), status, headers, "application/json")
