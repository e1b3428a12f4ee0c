"""Whole jobs out of the store and into it, as archives carry them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, insert, select

from backend.store import artifacts, jobs, measurements
from backend.store.tables import artifact, point, series, shape

Chunk = dict[str, Any]
COLUMNS = ("seq", "step", "epoch", "time", "value")
MOST_AT_ONCE = 10_000
"""Points written at once; a shape weighs as many as SHAPE_WEIGHT."""
SHAPE_WEIGHT = 100


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
    for some in _together(chunks):
        new = {(chunk["attempt"], chunk["name"]) for chunk in some} - ids.keys()
        for attempt, keys in groupby(sorted(new), key=itemgetter(0)):
            names = [name for _, name in keys]
            added = measurements.add_series(connection, job, attempt, names)
            ids |= {(attempt, name): id for name, id in added.items()}
        points, shapes = (
            [_row(ids[chunk["attempt"], chunk["name"]], row) for chunk in some for row in chunk[of]]
            for of in ("points", "shapes")
        )
        for told in shapes:
            told["shape"] = told["value"]["shape"]
        measurements.add(connection, points, shapes)


def _together(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """As many as are written at once: with statements of its own for each, an archive of many
    names would hold other writers for minutes."""
    some: list[Chunk] = []
    weight = 0
    for chunk in chunks:
        some.append(chunk)
        weight += 1 + len(chunk["points"]) + SHAPE_WEIGHT * len(chunk["shapes"])
        if weight >= MOST_AT_ONCE:
            yield some
            some, weight = [], 0
    if some:
        yield some


def _row(series: int, row: Sequence[Any]) -> dict[str, Any]:
    return {"series": series, **dict(zip(COLUMNS, row, strict=True))}
