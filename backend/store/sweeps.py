"""Sweeps: what was varied, beside the jobs that carry the sweep's id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from backend.store.jobs import Row
from backend.store.tables import job, sweep


def add(connection: Connection, new: Mapping[str, Any]) -> None:
    """Insert a sweep from its id, name, base, grid, key and time."""
    connection.execute(insert(sweep), dict(new))


def get(connection: Connection, id: str) -> Row | None:
    return _one(connection, sweep.c.id == id)


def by_idempotency_key(connection: Connection, key: str) -> Row | None:
    return _one(connection, sweep.c.idempotency_key == key)


def _one(connection: Connection, where: Any) -> Row | None:
    row = connection.execute(select(sweep).where(where)).mappings().one_or_none()
    return None if row is None else dict(row)


def remove(connection: Connection, id: str) -> None:
    connection.execute(delete(sweep).where(sweep.c.id == id))


def newest(connection: Connection, limit: int) -> list[Row]:
    """The sweeps, newest first."""
    query = select(sweep).order_by(sweep.c.created_at.desc(), sweep.c.id).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def members(connection: Connection, id: str) -> list[Row]:
    """The sweep's jobs that are still there, in the order of its grid."""
    query = select(job).where(job.c.sweep == id).order_by(job.c.created_at, job.c.id)
    return [dict(row) for row in connection.execute(query).mappings()]
