"""Jobs: created, listed, changed, cancelled, cloned, deleted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query
from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from backend import launch, openapi
from backend.access import Role
from backend.documents import Job, Jobs, job_document
from backend.errors import Problem, bad_field
from backend.handing import hand_out
from backend.parts import Given, Parts, job_row, json
from backend.requests import json_body, optional_body, validated
from backend.store import attempts, jobs
from worker.contract.artifacts import Artifacts

router = APIRouter(tags=["jobs"])
log = logging.getLogger(__name__)

STATES = (*jobs.UNFINISHED, *jobs.ENDED)
KINDS = ("train", "attack", "diagnose")
Body = Annotated[Any, Depends(json_body)]
Changes = Annotated[Any, Depends(optional_body)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200, pattern=r"^[!-~]+$")]
Text = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Ids = Annotated[str | None, Query(max_length=8000, pattern=r"^[A-Za-z0-9_,-]*$")]
Cursor = Annotated[str | None, Query(max_length=1000, pattern=r"^[A-Za-z0-9_-]*$")]
_BODY = openapi.body("NewJob")


@router.post(
    "/jobs",
    status_code=201,
    responses={201: {"model": Job}, 200: {"model": Job, "description": "of an earlier request"}},
    openapi_extra=_BODY,
)
def create(given: Given, body: Body, idempotency_key: Key = None) -> Response:
    """Queue a job. With an `Idempotency-Key`, a repeat returns the first job and 200."""
    row, new = launch.launch(given, body, idempotency_key)
    return _created(given, row) if new else _located(row, 200)


def _created(given: Parts, row: jobs.Row) -> Response:
    tell(given, row)
    return _located(row, 201)


def _located(row: jobs.Row, status: int) -> Response:
    headers = {"Location": f"/api/v1/jobs/{row['id']}"}
    return json(job_document(row), status, headers)


def tell(given: Parts, row: jobs.Row) -> None:
    """Let every watcher know; where that fails the recorder does it later."""
    try:
        given.queue.publish([job_document(row)])
        with given.store.write() as connection:
            jobs.published(connection, row)
    except (RedisError, QueueError, SQLAlchemyError) as error:
        log.warning("a job's change is told later: %s", type(error).__name__)


@router.post("/estimate", openapi_extra=_BODY)
def estimate(given: Given, body: Body) -> Response:
    """What a job would cost: validates the same body, queues nothing."""
    asked, source = launch.read(given, body)
    return json(launch.estimated(given, asked, source).document())


@router.get("/jobs", responses={200: {"model": Jobs}})
def listing(
    given: Given,
    id: Ids = None,
    state: Text = None,
    kind: Text = None,
    tag: Text = None,
    sweep: Text = None,
    q: Text = None,
    sort: Text = "-created_at",
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Cursor = None,
    summary: Text = None,
) -> Response:
    """Jobs, a page at a time. `id`, `state`, `kind` and `tag` take several values by commas; a
    job has every tag that is asked for. `q` looks into ids, names, tags and specs. `summary` names
    the scalars whose last values are wanted; without it they all come."""
    where = jobs.Filter(
        _split(id),
        _several("state", state, STATES),
        _several("kind", kind, KINDS),
        _split(tag),
        sweep,
        q,
    )
    order = sort or "-created_at"
    if order not in jobs.SORTS:
        raise bad_field("sort", f"one of {', '.join(sorted(jobs.SORTS))}")
    with given.store.read() as connection:
        try:
            rows, more = jobs.listing(connection, where, order, limit, cursor or None)
        except jobs.BadCursor as error:
            raise bad_field("cursor", "not a cursor of this listing") from error
    wanted = None if summary is None else _split(summary)
    return json({"items": [job_document(row, wanted) for row in rows], "next": more})


def _split(text: str | None) -> list[str]:
    return [part for part in (text or "").split(",") if part]


def _several(field: str, text: str | None, known: Sequence[str]) -> list[str]:
    values = _split(text)
    if not set(values) <= set(known):
        raise bad_field(field, f"one of {', '.join(known)}")
    return values


@router.get("/jobs/{id}", responses={200: {"model": Job}})
def get(given: Given, id: str) -> Response:
    return json(job_document(job_row(given, id)))


@router.patch("/jobs/{id}", responses={200: {"model": Job}}, openapi_extra=openapi.body("Labels"))
def patch(given: Given, id: str, body: Body) -> Response:
    """Change the name, the tags; of one's own jobs, or as an admin of any."""
    asked = validated(given.requests.labels, body)
    changes = asked.model_dump(exclude_unset=True, exclude_none=True)
    _require_own(given, job_row(given, id))
    if changes:
        with given.store.write() as connection:
            jobs.label(connection, id, changes)
    row = job_row(given, id)
    tell(given, row)
    return json(job_document(row))


def _require_own(given: Parts, row: jobs.Row) -> None:
    if given.visitor.role < Role.ADMIN and row["owner"] != given.visitor.name:
        whose = f"{row['owner']}'s" if row["owner"] else "nobody's"
        raise Problem(403, f"This job is {whose}; an admin may change its name and tags.")


@router.delete("/jobs/{id}", status_code=204)
def delete(given: Given, id: str) -> Response:
    """Delete an ended job with its measurements and files."""
    job_row(given, id)
    with given.store.write() as connection:
        if needing := jobs.needing(connection, id):
            names = ", ".join(f"{row['name']} ({row['id']})" for row in needing[:3])
            raise Problem(409, f"Its network is needed by {names}; cancel that first.")
        if not jobs.remove(connection, id):
            raise Problem(409, "Only a job that has ended can be deleted; cancel it first.")
    try:
        Artifacts(given.settings).remove(id)
    except OSError:
        log.warning("the object store was away when a job was deleted; its files go in a day")
    try:
        given.queue.forget(id)
    except RedisError:
        log.warning("the broker was away when a job was deleted; its stream expires by itself")
    return Response(status_code=204)


@router.post("/jobs/{id}/cancel", status_code=202, responses={202: {"model": Job}})
def cancel(given: Given, id: str) -> Response:
    """Ask a job to stop. Asking again, or for an ended job, changes nothing."""
    row = job_row(given, id)
    return json(job_document(stop(given, row) if row["state"] in jobs.UNFINISHED else row), 202)


def stop(given: Parts, row: jobs.Row) -> jobs.Row:
    """Raise the flag that a worker looks at; where none has the job it ends at once."""
    id = row["id"]
    given.queue.cancel(id)
    with given.store.write() as connection:
        jobs.ask_cancel(connection, id)
    row = job_row(given, id)
    tell(given, row)
    if row["state"] in jobs.ENDED:
        given.queue.expire(id)
    return row


@router.post("/jobs/{id}/resume", status_code=202, responses={202: {"model": Job}})
def resume(given: Given, id: str) -> Response:
    """Go on with a job that failed or was cancelled, from what it left last; one that was
    interrupted or waits goes on by itself."""
    row = job_row(given, id)
    if row["state"] in ("queued", "interrupted"):
        return json(job_document(row), 202)
    launch.require_room(given)
    launch.require_share(given, (row["estimate"] or {}).get("seconds", 0.0))
    with given.store.write() as connection:
        changed = attempts.resume(connection, row)
    if changed is None:
        raise Problem(409, "Only a job that failed, was cancelled or interrupted can be resumed.")
    given.queue.revive(id)
    hand_out(given.store, given.queue)
    tell(given, changed)
    return json(job_document(changed), 202)


@router.post(
    "/jobs/{id}/clone",
    status_code=201,
    responses={201: {"model": Job}},
    openapi_extra=openapi.body("Labels", required=False),
)
def clone(given: Given, id: str, body: Changes) -> Response:
    """Queue the same again, under another name or other tags where the body has them."""
    first = job_row(given, id)
    labels = validated(given.requests.labels, body).model_dump(exclude_none=True)
    same = {name: first[name] for name in ("kind", "spec", "name", "tags")}
    row, _ = launch.launch(given, {**same, **labels})
    return _created(given, row)
