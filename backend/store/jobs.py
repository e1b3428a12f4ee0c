"""Jobs: inserted, found, listed, changed. Functions of a connection; rows are plain dicts."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, or_, select, update
from sqlalchemy import tuple_ as pair

from backend.store.tables import job, job_tag
from worker.contract.wire import needs

Row = dict[str, Any]

UNFINISHED = ("queued", "running", "interrupted")
ENDED = ("succeeded", "failed", "cancelled")
PRIORITIES = ("low", "normal", "high")
LONG_S = 60.0
"""A job that is expected to take longer lets those pass that are not."""

_SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": job.c.created_at,
    "started_at": func.coalesce(job.c.started_at, -1.0),
    "ended_at": func.coalesce(job.c.ended_at, -1.0),
    "name": job.c.name,
    "kind": job.c.kind,
    "state": job.c.state,
}
SORTS = frozenset(sign + name for name in _SORTS for sign in ("", "-"))


class BadCursor(ValueError):
    """The cursor is not one of a listing in this order."""


@dataclass(frozen=True)
class Filter:
    """Which jobs to list; empty means all."""

    id: Sequence[str] = ()
    state: Sequence[str] = ()
    kind: Sequence[str] = ()
    tag: Sequence[str] = ()
    sweep: str | None = None
    q: str | None = None


def add(connection: Connection, new: Mapping[str, Any]) -> None:
    """Insert a queued job from its id, kind, name, tags, spec and what else is known of it."""
    now = time.time()
    start = {"state": "queued", "attempt": 1, "created_at": now, "sent_at": now, "summary": {}}
    place = {"told_attempt": 0, "told_seq": 0, "stream_id": "0-0", "handed": False}
    size = {"needs": needs(new["spec"]), "long": _is_long(new.get("estimate"))}
    row = {**start, **place, **size, "message": "", "published": False, **new}
    connection.execute(insert(job), row)
    _tag(connection, new["id"], new["tags"])


def _is_long(estimate: Mapping[str, Any] | None) -> bool:
    return estimate is not None and estimate["seconds"] > LONG_S


def get(connection: Connection, id: str) -> Row | None:
    return _one(connection, select(job).where(job.c.id == id))


def exists(connection: Connection, id: str) -> bool:
    return connection.execute(select(job.c.id).where(job.c.id == id)).first() is not None


def told(connection: Connection, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Of each job, the attempt and the number of its newest recorded measurement."""
    query = select(job.c.id, job.c.told_attempt, job.c.told_seq).where(job.c.id.in_(list(ids)))
    return {id: (attempt, seq) for id, attempt, seq in connection.execute(query)}


def by_idempotency_key(connection: Connection, key: str) -> Row | None:
    return _one(connection, select(job).where(job.c.idempotency_key == key))


def _one(connection: Connection, query: Select[Any]) -> Row | None:
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def of_states(connection: Connection, states: Iterable[str]) -> list[Row]:
    found = connection.execute(select(job).where(job.c.state.in_(list(states))))
    return [dict(row) for row in found.mappings()]


def unfinished(connection: Connection, ids: Iterable[str]) -> list[Row]:
    """Those of the jobs that have not ended."""
    query = select(job).where(job.c.id.in_(list(ids)), job.c.state.in_(UNFINISHED))
    return [dict(row) for row in connection.execute(query).mappings()]


def needing(connection: Connection, source: str) -> list[Row]:
    """The unfinished jobs that start from what this one left."""
    query = select(job).where(job.c.state.in_(UNFINISHED), job.c.source.is_not(None))
    found = [dict(row) for row in connection.execute(query).mappings()]
    return [row for row in found if source in sources(row["source"])]


def sources(source: Mapping[str, Any] | None) -> list[str]:
    """The trainings that a job starts from."""
    return [one["job"] for one in (source, *source.get("peers", []))] if source else []


class Ending(NamedTuple):
    """How far a job is, and when it ended."""

    state: str
    ended_at: float | None


def endings(connection: Connection, id: str | None = None) -> dict[str, Ending]:
    """Of all jobs, or of one."""
    query = select(job.c.id, job.c.state, job.c.ended_at)
    found = connection.execute(query if id is None else query.where(job.c.id == id))
    return {name: Ending(state, ended_at) for name, state, ended_at in found}


def needed(connection: Connection) -> list[str]:
    """The trainings that unfinished jobs start from."""
    query = select(job.c.source).where(job.c.state.in_(UNFINISHED), job.c.source.is_not(None))
    return [one for source in connection.scalars(query) for one in sources(source)]


def unpublished(connection: Connection, limit: int = 1000) -> list[Row]:
    """Jobs whose last change nobody was told of."""
    query = select(job).where(job.c.published.is_(False)).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def estimates(connection: Connection, owner: str) -> list[dict[str, Any]]:
    """Of the unfinished jobs that one token asked for."""
    query = select(job.c.estimate).where(job.c.owner == owner, job.c.state.in_(UNFINISHED))
    return [estimate for estimate in connection.scalars(query) if estimate]


def counts(connection: Connection) -> dict[str, int]:
    """How many jobs are in each state."""
    found = connection.execute(select(job.c.state, func.count()).group_by(job.c.state))
    return {str(state): int(count) for state, count in found}


def listing(
    connection: Connection, where: Filter, sort: str, limit: int, cursor: str | None
) -> tuple[list[Row], str | None]:
    """A page of jobs and the cursor of the next. `sort` is one of SORTS; raises BadCursor."""
    column, down = _SORTS[sort.lstrip("-")], sort.startswith("-")
    query = select(job).where(*_conditions(where))
    if cursor is not None:
        key, edge = pair(column, job.c.id), pair(*_decoded(cursor, sort))
        query = query.where(key < edge if down else key > edge)
    order = (column.desc(), job.c.id.desc()) if down else (column.asc(), job.c.id.asc())
    found = connection.execute(query.add_columns(column).order_by(*order).limit(limit + 1)).all()
    rows = [dict(zip(job.c.keys(), row, strict=False)) for row in found[:limit]]
    if len(found) <= limit:
        return rows, None
    return rows, _encoded(sort, found[limit - 1][-1], rows[-1]["id"])


def _conditions(where: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if where.id:
        found.append(job.c.id.in_(where.id))
    if where.state:
        found.append(job.c.state.in_(where.state))
    if where.kind:
        found.append(job.c.kind.in_(where.kind))
    for tag in where.tag:
        found.append(job.c.id.in_(select(job_tag.c.job).where(job_tag.c.tag == tag)))
    if where.sweep is not None:
        found.append(job.c.sweep == where.sweep)
    if where.q:
        text = where.q.lower()
        columns = (job.c.id, job.c.name, job.c.tags, job.c.spec)
        found.append(or_(*(func.lower(c).contains(text, autoescape=True) for c in columns)))
    return found


def _encoded(sort: str, value: Any, id: str) -> str:
    return urlsafe_b64encode(orjson.dumps([sort, value, id])).decode().rstrip("=")


def _decoded(cursor: str, sort: str) -> tuple[Any, str]:
    try:
        found = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        order, value, id = found
    except (ValueError, TypeError) as error:
        raise BadCursor from error
    kind: type | tuple[type, ...] = (int, float) if sort.endswith("_at") else str
    if order != sort or not isinstance(id, str) or not isinstance(value, kind):
        raise BadCursor
    if "\0" in id or (isinstance(value, str) and "\0" in value):
        raise BadCursor
    return value, id


def label(connection: Connection, id: str, changes: Mapping[str, Any]) -> bool:
    """Change name and tags; False where there is no such job."""
    values = {**changes, "published": False}
    if not connection.execute(update(job).where(job.c.id == id).values(values)).rowcount:
        return False
    if "tags" in changes:
        connection.execute(delete(job_tag).where(job_tag.c.job == id))
        _tag(connection, id, changes["tags"])
    return True


def _tag(connection: Connection, id: str, tags: Iterable[str]) -> None:
    rows = [{"job": id, "tag": tag} for tag in tags]
    if rows:
        connection.execute(insert(job_tag), rows)


def remove(connection: Connection, id: str, states: Sequence[str] = ENDED) -> bool:
    """Delete a job in one of the states, with all that was measured; False if there is none."""
    query = delete(job).where(job.c.id == id, job.c.state.in_(states))
    return connection.execute(query).rowcount > 0


def ask_cancel(connection: Connection, id: str) -> None:
    """Note the wish to cancel, and end the job at once where no worker has it."""
    now = time.time()
    unfinished = job.c.state.in_(UNFINISHED)
    connection.execute(
        update(job)
        .where(job.c.id == id, unfinished, job.c.cancel_at.is_(None))
        .values(cancel_at=now, published=False)
    )
    waiting = job.c.state.in_(("queued", "interrupted"))
    ended = {"state": "cancelled", "ended_at": now, "message": "Cancelled before it ran."}
    connection.execute(update(job).where(job.c.id == id, waiting).values(**ended, published=False))


def published(connection: Connection, row: Row) -> None:
    """Everybody was told of this row, unless it changed since."""
    same = (job.c[name] == row[name] for name in ("id", "state", "attempt"))
    connection.execute(update(job).where(*same).values(published=True))
