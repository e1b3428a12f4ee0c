"""Measurements: written once each by (job, attempt, seq), read by name and step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import ARRAY, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from backend.store import extremes
from backend.store.names import Range, Series, batches
from backend.store.tables import point, series, shape
from worker.contract.measurement import number

Item = dict[str, Any]

_COLUMNS = point.c.keys()
_ARRAYS = func.unnest(*(bindparam(name, type_=ARRAY(point.c[name].type)) for name in _COLUMNS))
_AT_ONCE = (
    postgresql.insert(point)
    .from_select(_COLUMNS, select(_ARRAYS.table_valued(*_COLUMNS).render_derived()))
    .on_conflict_do_nothing()
)
"""Columns as arrays: a statement for each row costs PostgreSQL and us three times as much."""


def read(
    connection: Connection, found: Iterable[Series], where: Range, most: int | None
) -> tuple[list[Item], bool]:
    """Points by name and number, at most `most` of each name, and whether any was left out."""
    asked = [one for one in found if one.attempt >= where.after.attempt]
    counts = _counts(connection, asked, where, point)
    shaped = _counts(connection, asked, where, shape)
    by_name = {name: list(parts) for name, parts in groupby(asked, key=attrgetter("name"))}
    sizes = {name: sum(counts.get(p.id, 0) for p in parts) for name, parts in by_name.items()}
    crowded = {name for name, size in sizes.items() if most is not None and size > most}
    whole = _whole(connection, [one for one in asked if one.name not in crowded], where)
    items: list[Item] = []
    for name, parts in by_name.items():
        if most is not None and name in crowded:
            few = extremes.read(connection, parts, where, most)
            items += [_item(part, row) for part, row in few.points]
        items += [item for part in parts for item in whole.get(part.id, ())]
        items += _shapes(connection, [part for part in parts if part.id in shaped], where)
    return items, bool(crowded)


def _alike(parts: Sequence[Series]) -> Iterator[Sequence[Series]]:
    """Of one attempt and cut at the same step, so many as one statement may name."""
    key = attrgetter("attempt", "cut")
    for _, some in groupby(sorted(parts, key=key), key=key):
        yield from batches(list(some))


def _counts(
    connection: Connection, parts: Sequence[Series], where: Range, table: Any
) -> dict[int, int]:
    """How many measurements there are, by series; none is not told."""
    found: dict[int, int] = {}
    for some in _alike(parts):
        query = select(table.c.series, func.count()).where(*where.conditions(table, *some))
        rows = connection.execute(query.group_by(table.c.series))
        found |= {row.series: row[1] for row in rows}
    return found


def _whole(connection: Connection, parts: Sequence[Series], where: Range) -> dict[int, list[Item]]:
    """Every point, by series."""
    found: dict[int, list[Item]] = {}
    for some in _alike(parts):
        query = select(point).where(*where.conditions(point, *some))
        rows = connection.execute(query.order_by(point.c.series, point.c.seq))
        by_id = {part.id: part for part in some}
        for id, mine in groupby(rows, key=lambda row: row.series):
            found[id] = [_item(by_id[id], row) for row in mine]
    return found


def _item(part: Series, row: Any) -> Item:
    return item_of(part, row.seq, row.step, row.epoch, row.time, "scalar", value_of(row.value))


def _shapes(connection: Connection, parts: list[Series], where: Range) -> list[Item]:
    """All in a range of steps where one is asked for, else the newest."""
    items: list[Item] = []
    for part in reversed(parts):
        query = select(shape).where(*where.conditions(shape, part)).order_by(shape.c.seq.desc())
        if where.first is None and where.last is None:
            query = query.limit(1)
        for _, seq, step, epoch, time, kind, value in connection.execute(query):
            items.insert(0, item_of(part, seq, step, epoch, time, kind, value))
        if items and where.first is None and where.last is None:
            break
    return items


def item_of(
    part: Series, seq: int, step: int, epoch: float, time: float, shape: str, value: Any
) -> Item:
    return {
        "name": part.name,
        "seq": seq,
        "attempt": part.attempt,
        "step": step,
        "epoch": epoch,
        "time": time,
        "shape": shape,
        "value": value,
    }


def value_of(value: float | None) -> Any:
    return "nan" if value is None else number(value)


def add_series(
    connection: Connection, job: str, attempt: int, names: Sequence[str]
) -> dict[str, int]:
    """The ids of these names of an attempt, made where they are new."""
    rows = [{"job": job, "attempt": attempt, "name": name} for name in names]
    connection.execute(_insert(connection, series).on_conflict_do_nothing(), rows)
    mine = select(series.c.name, series.c.id).where(
        series.c.job == job, series.c.attempt == attempt
    )
    found: dict[str, int] = {}
    for some in batches(names):
        query = mine.where(series.c.name.in_(some))
        found |= {str(row.name): int(row.id) for row in connection.execute(query)}
    return found


def add(connection: Connection, points: list[Item], shapes: list[Item]) -> None:
    """Write rows; those that are there already stay as they are."""
    for table, rows in ((point, points), (shape, shapes)):
        if rows and table is point and connection.dialect.name == "postgresql":
            connection.execute(_AT_ONCE, {name: [row[name] for row in rows] for name in _COLUMNS})
        elif rows:
            connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _insert(connection: Connection, table: Any) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
