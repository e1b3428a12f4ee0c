"""Whole jobs out of the store and into it, as archives carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from backend.store import artifacts, jobs, measurements
from backend.store.tables import artifact, point, series, shape

Chunk = dict[str, Any]
COLUMNS = ("seq", "step", "epoch", "time", "value")


def measured(connection: Connection, job: str, most: int) -> Iterator[Chunk]:
    """Everything of every attempt, as it was told: so many points, or one shape, at a time."""
    query = select(series.c.id, series.c.attempt, series.c.name).where(series.c.job == job)
    for id, attempt, name in connection.execute(query.order_by(series.c.id)).all():
        for kind, table, page in (("points", point, most), ("shapes", shape, 1)):
            rows = select(*(table.c[column] for column in COLUMNS)).where(table.c.series == id)
            paged = rows.order_by(table.c.seq).execution_options(yield_per=page)
            for part in connection.execute(paged).partitions(page):
                yield {"attempt": attempt, "name": name, kind: [list(row) for row in part]}


def add(connection: Connection, row: Mapping[str, Any], files: Iterable[Mapping[str, Any]]) -> None:
    """A job that ended elsewhere, and what is known of its files."""
    jobs.add(connection, row)
    for file in files:
        connection.execute(insert(artifact), {"id": artifacts.new_id(), **file})


def add_measured(connection: Connection, job: str, chunks: Iterable[Chunk]) -> None:
    ids: dict[tuple[int, str], int] = {}
    for chunk in chunks:
        attempt, name = key = chunk["attempt"], chunk["name"]
        if key not in ids:
            ids[key] = measurements.add_series(connection, job, attempt, [name])[name]
        points, shapes = ([_row(ids[key], row) for row in chunk[of]] for of in ("points", "shapes"))
        for told in shapes:
            told["shape"] = told["value"]["shape"]
        measurements.add(connection, points, shapes)


def _row(series: int, row: Sequence[Any]) -> dict[str, Any]:
    return {"series": series, **dict(zip(COLUMNS, row, strict=True))}
