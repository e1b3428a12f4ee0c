"""Files that jobs left: what is known of each."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from backend.store.tables import artifact

Row = dict[str, Any]


def of_job(connection: Connection, job: str) -> list[Row]:
    """Oldest first."""
    query = select(artifact).where(artifact.c.job == job)
    order = (artifact.c.created_at, artifact.c.id)
    return [dict(row) for row in connection.execute(query.order_by(*order)).mappings()]


def everything(connection: Connection) -> list[Row]:
    """Of all jobs."""
    order = (artifact.c.job, artifact.c.attempt, artifact.c.name)
    return [dict(row) for row in connection.execute(select(artifact).order_by(*order)).mappings()]


def get(connection: Connection, id: str) -> Row | None:
    row = connection.execute(select(artifact).where(artifact.c.id == id)).mappings().one_or_none()
    return None if row is None else dict(row)


def newest(connection: Connection, job: str, name: str) -> Row | None:
    """The file of this name from the job's last attempt that left one."""
    query = select(artifact).where(artifact.c.job == job, artifact.c.name == name)
    row = connection.execute(query.order_by(artifact.c.attempt.desc()).limit(1)).mappings().first()
    return None if row is None else dict(row)


def forget(connection: Connection, job: str) -> None:
    """The job's files are gone."""
    connection.execute(delete(artifact).where(artifact.c.job == job))


def new_id() -> str:
    """Opaque, not to be guessed: 96 bits."""
    return secrets.token_urlsafe(12).replace("-", "_")


def save(connection: Connection, saved: Mapping[str, Any]) -> None:
    """Note a file; one that was written again keeps its id."""
    known = ("job", "attempt", "name", "kind", "bytes", "sha256", "step")
    values = {name: saved[name] for name in known}
    created = saved.get("time") or time.time()
    fresh = {"id": new_id(), "created_at": created}
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    query = dialect.insert(artifact).values(**values, **fresh)
    changed = {name: values[name] for name in ("kind", "bytes", "sha256", "step")}
    key = ["job", "attempt", "name"]
    connection.execute(query.on_conflict_do_update(index_elements=key, set_=changed))
