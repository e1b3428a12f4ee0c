"""Tokens: a name, a role and a hash each."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from backend.store.jobs import Row
from backend.store.tables import token


def make(connection: Connection, name: str, role: str, digest: str) -> bool:
    """Keep a new token; False where one of this name is in use. A revoked one's name is free."""
    row = get(connection, name)
    if row is not None and row["revoked_at"] is None:
        return False
    values: dict[str, Any] = {"name": name, "role": role, "digest": digest}
    connection.execute(delete(token).where(token.c.name == name))
    connection.execute(insert(token), {**values, "made_at": time.time(), "revoked_at": None})
    return True


def get(connection: Connection, name: str) -> Row | None:
    row = connection.execute(select(token).where(token.c.name == name)).mappings().one_or_none()
    return None if row is None else dict(row)


def listing(connection: Connection) -> list[Row]:
    """Every token that was ever made, by name."""
    found = connection.execute(select(token).order_by(token.c.name)).mappings()
    return [dict(row) for row in found]


def revoke(connection: Connection, name: str) -> bool:
    """Shut a token out for good; False where none of this name is in use."""
    live = (token.c.name == name, token.c.revoked_at.is_(None))
    gone = connection.execute(update(token).where(*live).values(revoked_at=time.time()))
    return gone.rowcount > 0
