"""Sweeps: many jobs from one request, watched and ended as one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from backend import openapi, sweep
from backend.documents import Sweep, SweepEstimate, Sweeps, moment
from backend.errors import Problem
from backend.parts import Given, Parts, is_id, json
from backend.requests import json_body, validated
from backend.routes.jobs import Key, stop, tell
from backend.store import jobs, sweeps

router = APIRouter(tags=["sweeps"])

Body = Annotated[Any, Depends(json_body)]
_BODY = openapi.body("NewSweep")


@router.post(
    "/sweeps",
    status_code=201,
    responses={
        201: {"model": Sweep},
        200: {"model": Sweep, "description": "of an earlier request"},
    },
    openapi_extra=_BODY,
)
def create(given: Given, body: Body, idempotency_key: Key = None) -> Response:
    """Queue every combination of the grid's values, all of them or none. With an
    `Idempotency-Key`, a repeat returns the first sweep and 200."""
    row, new = sweep.start(given, body, idempotency_key)
    with given.store.read() as connection:
        members = sweeps.members(connection, row["id"])
    if new:
        for member in members:
            tell(given, member)
    headers = {"Location": f"/api/v1/sweeps/{row['id']}"}
    return json(_document(row, members), 201 if new else 200, headers)


@router.post("/sweeps/estimate", responses={200: {"model": SweepEstimate}}, openapi_extra=_BODY)
def estimate(given: Given, body: Body) -> Response:
    """What a sweep would cost: validates every job, queues nothing."""
    _, made = sweep.prepared(given, validated(given.requests.sweep, body))
    costs = [job["estimate"] for job in made]
    total = {name: sum(cost[name] for cost in costs) for name in ("seconds", "flops", "points")}
    memory = max(cost["memory_bytes"] for cost in costs)
    names = [job["name"] for job in made]
    return json({"jobs": len(made), **total, "memory_bytes": memory, "names": names})


@router.get("/sweeps", responses={200: {"model": Sweeps}})
def listing(given: Given, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
    """The sweeps, newest first."""
    with given.store.read() as connection:
        found = [
            _document(row, sweeps.members(connection, row["id"]))
            for row in sweeps.newest(connection, limit)
        ]
    return json({"items": found})


@router.get("/sweeps/{id}", responses={200: {"model": Sweep}})
def get(given: Given, id: str) -> Response:
    """A sweep: how far it is, and every job's values and last measurements."""
    return json(_document(*_found(given, id)))


@router.post("/sweeps/{id}/cancel", status_code=202, responses={202: {"model": Sweep}})
def cancel(given: Given, id: str) -> Response:
    """Ask every job of a sweep to stop."""
    for member in _found(given, id)[1]:
        if member["state"] in jobs.UNFINISHED:
            stop(given, member)
    return json(_document(*_found(given, id)), 202)


def _found(given: Parts, id: str) -> tuple[jobs.Row, list[jobs.Row]]:
    with given.store.read() as connection:
        row = sweeps.get(connection, id) if is_id(id) else None
        members = sweeps.members(connection, id) if row else []
    if row is None:
        raise Problem(404, "No sweep has this id.")
    return row, members


def _document(row: jobs.Row, members: list[jobs.Row]) -> dict[str, Any]:
    return {**sweep.document(row, members), "created_at": moment(row["created_at"])}
