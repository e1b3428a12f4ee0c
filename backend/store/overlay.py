"""One measurement of a job as columns: what an overlay draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from backend.store import extremes
from backend.store.measurements import value_of
from backend.store.names import Range, Series
from backend.store.tables import point, series

COLUMNS = ("step", "epoch", "time", "value")


def read(
    connection: Connection, parts: Sequence[Series], where: Range, most: int
) -> dict[str, Any]:
    """The columns of one name of a job, oldest attempt first, with the number of the last
    measurement that they stand for and whether any was left out."""
    few = extremes.read(connection, parts, where, most)
    found = {column: [getattr(row, column) for _, row in few.points] for column in COLUMNS}
    found["value"] = [value_of(value) for value in found["value"]]
    return {**found, "downsampled": few.thinned, "attempt": few.last.attempt, "seq": few.last.seq}


def ends(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The number of the last point of each series: it tells whether a series has grown."""
    last = select(func.max(point.c.seq)).where(point.c.series == series.c.id).scalar_subquery()
    query = select(series.c.id, func.coalesce(last, 0).label("end")).where(series.c.id.in_(ids))
    return {row.id: row.end for row in connection.execute(query)}
