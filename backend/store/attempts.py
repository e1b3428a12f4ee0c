"""Attempts that are lost, given up, or due to be sent again: compare-and-set on the job's row."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, or_, select, update

from backend.store import jobs
from backend.store.jobs import Row
from backend.store.tables import job

MOST_ATTEMPTS = 3
RESUMABLE = ("failed", "cancelled")


def interrupt(
    connection: Connection, row: Row, *, counted: bool = True, reason: str = ""
) -> Row | None:
    """The worker of this attempt is lost: on to the next attempt, or the end. None if somebody
    else changed the job meanwhile. An attempt that was handed back is not counted as lost."""
    if row["cancel_at"] is not None:
        return finish(connection, row, "cancelled", "Its worker stopped before it answered.")
    if counted and row["attempt"] - row["tries_from"] >= MOST_ATTEMPTS:
        return _give_up(connection, row, reason)
    values = {"state": "interrupted", "attempt": row["attempt"] + 1, "sent_at": time.time()}
    return _changed(connection, row, {**values, "eta_s": None})


def _give_up(connection: Connection, row: Row, reason: str) -> Row | None:
    why = f" ({reason})" if reason else ""
    times = row["attempt"] - row["tries_from"]
    message = f"Its worker was lost {times} times{why}; it is not tried again."
    error = {"code": "lost", "message": message, "step": row["step"], "details": ""}
    ended = {"state": "failed", "ended_at": time.time(), "error": error, "eta_s": None}
    return _changed(connection, row, ended)


def resume(connection: Connection, row: Row) -> Row | None:
    """A job that failed or was cancelled gets its next attempt, and as many tries as a new one.
    None if somebody else changed it meanwhile."""
    fresh = {"state": "queued", "attempt": row["attempt"] + 1, "tries_from": row["attempt"]}
    fresh["handed"] = False
    blank = dict.fromkeys(("ended_at", "cancel_at", "error", "eta_s"))
    query = (
        update(job)
        .where(job.c.id == row["id"], job.c.attempt == row["attempt"])
        .where(job.c.state.in_(RESUMABLE))
        .values(**fresh, **blank, message="", sent_at=time.time(), published=False)
    )
    return jobs.get(connection, row["id"]) if connection.execute(query).rowcount else None


def finish(connection: Connection, row: Row, state: str, message: str) -> Row | None:
    """End the job, unless somebody else changed it meanwhile."""
    ended = {"state": state, "ended_at": time.time(), "message": message, "eta_s": None}
    return _changed(connection, row, ended)


def _changed(connection: Connection, row: Row, values: dict[str, Any]) -> Row | None:
    unfinished = job.c.state.in_(jobs.UNFINISHED)
    same = (job.c.id == row["id"], job.c.attempt == row["attempt"], unfinished)
    query = update(job).where(*same).values(**values, published=False)
    return jobs.get(connection, row["id"]) if connection.execute(query).rowcount else None


def waiting_since(connection: Connection, before: float, limit: int = 1000) -> list[Row]:
    """Jobs that the broker was handed before then and that no worker has begun; and those handed in
    the future, as it seems once a clock was set back."""
    then = or_(job.c.sent_at < before, job.c.sent_at > time.time() + 1)
    query = (
        select(job)
        .where(job.c.state.in_(("queued", "interrupted")), job.c.handed.is_(True), then)
        .order_by(job.c.sent_at)
        .limit(limit)
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def sent(connection: Connection, ids: Iterable[str]) -> None:
    connection.execute(update(job).where(job.c.id.in_(list(ids))).values(sent_at=time.time()))
