"""The audit log: who did what to which job, when, and what came of it."""

from __future__ import annotations

import time
from typing import NamedTuple

from sqlalchemy import Connection, insert, select

from backend.store.jobs import Row
from backend.store.tables import audit


class Deed(NamedTuple):
    """`outcome` is the answer's status, 0 where a command did it and nobody answered."""

    who: str
    role: str
    what: str
    job: str | None
    outcome: int


def note(connection: Connection, deed: Deed) -> None:
    connection.execute(insert(audit), {"at": time.time(), **deed._asdict()})


def listing(
    connection: Connection, who: str | None, job: str | None, before: int | None, limit: int
) -> list[Row]:
    """The newest first, of one visitor, about one job, older than one entry."""
    query = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if who is not None:
        query = query.where(audit.c.who == who)
    if job is not None:
        query = query.where(audit.c.job == job)
    if before is not None:
        query = query.where(audit.c.id < before)
    return [dict(row) for row in connection.execute(query).mappings()]
