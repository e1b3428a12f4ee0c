"""Jobs that wait for the broker, and whose turn it is."""

from __future__ import annotations

import time

from sqlalchemy import Connection, and_, func, or_, select, update

from backend.store import jobs
from backend.store.jobs import Row
from backend.store.tables import job
from worker.contract.wire import Needs

PATIENCE_S = 600.0
"""A long job that waited for so long lets no more short ones pass."""

_HELD = and_(job.c.state == "queued", job.c.handed.is_(False))
_AT_BROKER = and_(job.c.state.in_(("queued", "interrupted")), job.c.handed.is_(True))
_RUNNING = job.c.state == "running"
_AT_WORKERS = or_(_RUNNING, _AT_BROKER)


def running(connection: Connection, needs: Needs) -> int:
    """How many jobs run on workers that could take one with such needs."""
    query = select(func.count()).select_from(job).where(_RUNNING)
    if needs == "cuda":
        query = query.where(job.c.device.startswith("cuda"))
    return int(connection.execute(query).scalar_one())


def at_broker(connection: Connection, needs: Needs) -> int:
    """How many jobs with such needs were handed out and have not begun."""
    query = select(func.count()).select_from(job).where(_AT_BROKER, job.c.needs == needs)
    return int(connection.execute(query).scalar_one())


def first(connection: Connection, needs: Needs) -> Row | None:
    """Whose turn it is: of the highest priority; a short one before long ones that have not waited
    for `PATIENCE_S`; of the token with fewest jobs at the workers; the one that waits longest."""
    mine = select(job.c.owner, func.count().label("jobs")).where(_AT_WORKERS)
    has = mine.group_by(job.c.owner).subquery()
    fewest = func.coalesce(has.c.jobs, 0)
    waits = and_(job.c.long, job.c.sent_at > time.time() - PATIENCE_S)
    query = (
        select(job.c.id)
        .outerjoin(has, has.c.owner == job.c.owner)
        .where(_HELD, job.c.needs == needs)
        .order_by(job.c.priority.desc(), waits, fewest, job.c.sent_at, job.c.id)
        .limit(1)
    )
    id = connection.execute(query).scalar()
    return jobs.get(connection, id) if id else None


def hand(connection: Connection, row: Row) -> Row | None:
    """From now on the job counts as handed; None where somebody was faster."""
    taken = update(job).where(job.c.id == row["id"], _HELD)
    changed = connection.execute(taken.values(handed=True, sent_at=time.time()))
    return jobs.get(connection, row["id"]) if changed.rowcount else None
