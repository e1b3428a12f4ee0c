"""How much there is of everything."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, text

from backend.store.tables import artifact


def of_database(connection: Connection) -> int:
    """Bytes that the database takes on its disk."""
    if connection.dialect.name == "sqlite":
        pages, each = (
            connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("page_count", "page_size")
        )
        return int(pages * each)
    size = text("SELECT pg_database_size(current_database())")
    return int(connection.execute(size).scalar_one())


def of_artifacts(connection: Connection) -> int:
    """Bytes of the files that jobs left; not of the states that some may resume from."""
    return int(connection.execute(select(func.sum(artifact.c.bytes))).scalar_one() or 0)
