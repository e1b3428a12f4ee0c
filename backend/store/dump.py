"""Every table as lines of JSON, and back: the same from SQLite and from PostgreSQL.

The tables are those that the database has, not those that this version would make: what an older
version dumped is loaded in its own form, and migrated then.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, Table, func, insert, select, text

ROWS = 1000
"""Of a line."""


def revision(connection: Connection) -> str:
    return str(MigrationContext.configure(connection).get_current_revision())


def tables(connection: Connection) -> list[Table]:
    """Each after those that it refers to."""
    metadata = MetaData()
    metadata.reflect(connection, only=lambda name, _: name != "alembic_version")
    return metadata.sorted_tables


def empty(connection: Connection) -> bool:
    found = (select(table.c[0]).limit(1) for table in tables(connection))
    return all(connection.execute(query).first() is None for query in found)


def lines(connection: Connection, table: Table) -> Iterator[bytes]:
    """The names of the columns, then lists of rows. Infinity is written as JSON has it not."""
    yield json.dumps(table.columns.keys()).encode() + b"\n"
    query = select(table).order_by(*table.primary_key).execution_options(yield_per=ROWS)
    for rows in connection.execute(query).partitions(ROWS):
        yield json.dumps([list(row) for row in rows]).encode() + b"\n"


def load(connection: Connection, table: Table, found: Iterable[bytes]) -> int:
    """Insert what `lines` told; how many rows. Raises ValueError, KeyError, SQLAlchemyError."""
    told = iter(found)
    names = json.loads(next(told))
    count = 0
    for line in told:
        rows = [dict(zip(names, row, strict=True)) for row in json.loads(line)]
        connection.execute(insert(table), rows)
        count += len(rows)
    _count_on(connection, table)
    return count


def _count_on(connection: Connection, table: Table) -> None:
    """PostgreSQL's own numbering goes on after the rows that brought their numbers."""
    key = table.primary_key.columns.keys()
    if connection.dialect.name == "sqlite" or len(key) != 1:
        return
    place = {"table": table.name, "column": key[0]}
    ask = text("SELECT pg_get_serial_sequence(:table, :column)")
    if (sequence := connection.execute(ask, place).scalar()) is None:
        return
    last = connection.execute(select(func.max(table.c[key[0]]))).scalar()
    if last is not None:
        onward = {"sequence": sequence, "last": last}
        connection.execute(text("SELECT setval(:sequence, :last)"), onward)
