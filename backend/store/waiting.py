"""Jobs that wait for the broker, and whose turn it is."""

from __future__ import annotations

import time

from sqlalchemy import Connection, and_, func, or_, select, update

from backend.store import jobs
from backend.store.jobs import Row
from backend.store.tables import job

_HELD = and_(job.c.state == "queued", job.c.handed.is_(False))
_AT_WORKERS = or_(
    job.c.state == "running",
    and_(job.c.state.in_(("queued", "interrupted")), job.c.handed.is_(True)),
)


def some(connection: Connection) -> bool:
    return connection.execute(select(job.c.id).where(_HELD).limit(1)).first() is not None


def handed(connection: Connection) -> int:
    """How many jobs the broker has or workers run."""
    query = select(func.count()).select_from(job).where(_AT_WORKERS)
    return int(connection.execute(query).scalar_one())


def take(connection: Connection) -> Row | None:
    """The next job: of the highest priority, of the token with fewest jobs at the workers, the one
    that waits longest. From now on it counts as handed."""
    mine = select(job.c.owner, func.count().label("jobs")).where(_AT_WORKERS)
    has = mine.group_by(job.c.owner).subquery()
    fewest = func.coalesce(has.c.jobs, 0)
    query = (
        select(job.c.id)
        .outerjoin(has, has.c.owner == job.c.owner)
        .where(_HELD)
        .order_by(job.c.priority.desc(), fewest, job.c.sent_at, job.c.id)
        .limit(1)
    )
    id = connection.execute(query).scalar()
    taken = update(job).where(job.c.id == id, _HELD).values(handed=True, sent_at=time.time())
    return jobs.get(connection, id) if id and connection.execute(taken).rowcount else None
