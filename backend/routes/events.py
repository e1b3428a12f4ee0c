"""Server-sent events: what jobs measure and what becomes of them, as it happens."""

from __future__ import annotations

import re
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse

from backend import openapi
from backend.cursor import Cursor, parse_many
from backend.errors import Problem, bad_field
from backend.feed import STATES_ID, JobFeed, StateFeed
from backend.parts import Given, Parts, is_id
from backend.store import jobs as stored

router = APIRouter(tags=["events"])

MOST_JOBS = 200
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_PLACE = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
Names = Annotated[str | None, Query(max_length=8000)]
After = Annotated[str | None, Query(max_length=16_000)]
LastEventId = Annotated[str | None, Header(max_length=16_000)]


@router.get(
    "/events", response_class=StreamingResponse, responses=openapi.media("text/event-stream")
)
async def events(
    request: Request,
    given: Given,
    jobs: Names = None,
    after: After = None,
    last_event_id: LastEventId = None,
) -> Response:
    """`measured` and `state` events of the jobs, from `after` (`job:attempt.seq`, by commas) or
    the `Last-Event-ID`; without `jobs`, the `state` events of all jobs from now on."""
    hub = request.app.state.hub
    field, place = ("Last-Event-ID", last_event_id) if last_event_id else ("after", after)
    if jobs is None:
        stream = StateFeed(hub, _states_place(field, place)).messages()
    else:
        names = _names(jobs)
        known = _cursors(field, place)
        await run_sync(_require, given, names)
        stream = JobFeed(hub, given.store, {n: known.get(n, Cursor()) for n in names}).messages()
    return StreamingResponse(stream, 200, HEADERS, "text/event-stream")


def _names(text: str) -> list[str]:
    names = list(dict.fromkeys(name for name in text.split(",") if name))
    if not names or len(names) > MOST_JOBS:
        raise bad_field("jobs", f"one to {MOST_JOBS} ids, by commas")
    return names


def _require(given: Parts, names: list[str]) -> None:
    with given.store.read() as connection:
        found = all(is_id(name) and stored.exists(connection, name) for name in names)
    if not found:
        raise Problem(404, "No job has one of these ids.", [("jobs", "names an unknown job")])


def _cursors(field: str, text: str | None) -> dict[str, Cursor]:
    if not text or text.startswith(STATES_ID):
        return {}
    try:
        return parse_many(text)
    except ValueError as error:
        raise bad_field(field, str(error)) from error


def _states_place(field: str, text: str | None) -> str | None:
    """A place in the stream of states; cursors of jobs mean nothing there."""
    if not text or not text.startswith(STATES_ID):
        return None
    place = text.removeprefix(STATES_ID)
    if not _PLACE.fullmatch(place):
        raise bad_field(field, "not the id of an event of this stream")
    return place
