"""Measurements: written once each by (job, attempt, seq), read by name, by step, or after a cursor.

Where a later attempt went over the same steps again, its points replace the earlier one's: of an
earlier attempt only the points before the later one's first step are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Connection, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from backend.cursor import Cursor
from backend.downsample import chosen
from backend.store.tables import point, series, shape
from worker.contract.measurement import number

Item = dict[str, Any]

_PARTS = (series.c.id, series.c.attempt, series.c.name)
_NEWEST_FIRST = (series.c.name, series.c.attempt.desc())
_COLUMNS = point.c.keys()
_ARRAYS = func.unnest(*(bindparam(name, type_=ARRAY(point.c[name].type)) for name in _COLUMNS))
_AT_ONCE = (
    postgresql.insert(point)
    .from_select(_COLUMNS, select(_ARRAYS.table_valued(*_COLUMNS).render_derived()))
    .on_conflict_do_nothing()
)
"""Columns as arrays: a statement for each row costs PostgreSQL and us three times as much."""
START = Cursor()
WINDOW = 2_000
"""Sequence numbers that a page of what is new covers."""


@dataclass(frozen=True)
class Series:
    """One name of one attempt; only its points before step `until` count."""

    id: int
    attempt: int
    name: str
    until: int | None = None


@dataclass(frozen=True)
class Range:
    """Which points to read. A range of steps also opens the history of shapes."""

    after: Cursor = START
    first: int | None = None
    last: int | None = None

    def conditions(self, of: Series, table: Any) -> list[ColumnElement[bool]]:
        found = [table.c.series == of.id]
        if of.attempt == self.after.attempt:
            found.append(table.c.seq > self.after.seq)
        if self.first is not None:
            found.append(table.c.step >= self.first)
        if self.last is not None:
            found.append(table.c.step <= self.last)
        if of.until is not None:
            found.append(table.c.step < of.until)
        return found


def series_of(connection: Connection, job: str, patterns: Sequence[str] = ()) -> list[Series]:
    """The series of a job by name and attempt, with what later attempts leave of each."""
    query = select(*_PARTS).where(series.c.job == job).order_by(*_NEWEST_FIRST)
    rows = connection.execute(query).all()
    wanted = [
        row for row in rows if not patterns or any(fnmatchcase(row.name, p) for p in patterns)
    ]
    return _cut(connection, wanted)


def series_of_jobs(
    connection: Connection, jobs: Sequence[str], names: Sequence[str]
) -> dict[tuple[str, str], list[Series]]:
    """The series of jobs under exact names, by job and name."""
    mine = (series.c.job.in_(jobs), series.c.name.in_(names))
    query = select(series.c.job, *_PARTS).where(*mine).order_by(series.c.job, *_NEWEST_FIRST)
    rows = connection.execute(query).all()
    by_both = groupby(rows, key=lambda row: (row.job, row.name))
    return {key: _cut(connection, list(parts)) for key, parts in by_both}


def _cut(connection: Connection, rows: Sequence[Any]) -> list[Series]:
    """Each row as a series, up to the first step of the attempts after it."""
    found: list[Series] = []
    for name, attempts in groupby(rows, key=lambda row: row.name):
        until: int | None = None
        later: int | None = None
        for row in attempts:  # the newest first
            first = None if later is None else _first_step(connection, later)
            until = min((step for step in (until, first) if step is not None), default=None)
            found.append(Series(row.id, row.attempt, name, until))
            later = row.id
    return sorted(found, key=lambda one: (one.name, one.attempt))


def _first_step(connection: Connection, id: int) -> int | None:
    for table in (point, shape):
        query = select(table.c.step).where(table.c.series == id).order_by(table.c.seq).limit(1)
        step: int | None = connection.execute(query).scalar()
        if step is not None:
            return step
    return None


def read(
    connection: Connection, found: Iterable[Series], where: Range, most: int | None
) -> tuple[list[Item], bool]:
    """Points by name and number, at most `most` of each name, and whether any was left out."""
    items: list[Item] = []
    left_out = False
    by_name: dict[str, list[Series]] = {}
    for one in found:
        if one.attempt >= where.after.attempt:
            by_name.setdefault(one.name, []).append(one)
    for parts in by_name.values():
        points, fewer = _points(connection, parts, where, most)
        items += [*points, *_shapes(connection, parts, where)]
        left_out |= fewer
    return items, left_out


def _points(
    connection: Connection, parts: list[Series], where: Range, most: int | None
) -> tuple[list[Item], bool]:
    total = sum(_count(connection, part, where) for part in parts)
    if most is None or total <= most:
        return [item for part in parts for item in _all(connection, part, where)], False
    keys: list[tuple[Series, int]] = []
    values: list[float | None] = []
    for part in parts:
        query = select(point.c.seq, point.c.value).where(*where.conditions(part, point))
        rows = connection.execute(query.order_by(point.c.seq)).all()
        keys += [(part, row[0]) for row in rows]
        values += [row[1] for row in rows]
    picked = [keys[index] for index in chosen(values, most)]
    items: list[Item] = []
    for part in parts:
        wanted = point.c.seq.in_([seq for of, seq in picked if of is part])
        query_all = select(point).where(point.c.series == part.id, wanted)
        items += _items(part, connection.execute(query_all.order_by(point.c.seq)))
    return items, True


def _count(connection: Connection, part: Series, where: Range) -> int:
    query = select(func.count()).select_from(point).where(*where.conditions(part, point))
    return int(connection.execute(query).scalar_one())


def _all(connection: Connection, part: Series, where: Range) -> Iterator[Item]:
    query = select(point).where(*where.conditions(part, point)).order_by(point.c.seq)
    return _items(part, connection.execute(query))


def _items(part: Series, rows: Iterable[Any]) -> Iterator[Item]:
    for _, seq, step, epoch, time, value in rows:
        yield _item(part, seq, step, epoch, time, "scalar", _number(value))


def _shapes(connection: Connection, parts: list[Series], where: Range) -> list[Item]:
    """All in a range of steps where one is asked for, else the newest."""
    items: list[Item] = []
    for part in reversed(parts):
        query = select(shape).where(*where.conditions(part, shape)).order_by(shape.c.seq.desc())
        if where.first is None and where.last is None:
            query = query.limit(1)
        for _, seq, step, epoch, time, kind, value in connection.execute(query):
            items.insert(0, _item(part, seq, step, epoch, time, kind, value))
        if items and where.first is None and where.last is None:
            break
    return items


def after(connection: Connection, job: str, cursor: Cursor) -> tuple[list[Item], Cursor | None]:
    """A page of what came after the cursor, in order, and the cursor to go on from; None at the
    end. Of shapes only each name's newest."""
    found = [one for one in series_of(connection, job) if one.attempt >= cursor.attempt]
    for attempt in sorted({one.attempt for one in found}):
        start = cursor.seq if attempt == cursor.attempt else 0
        parts = {one.id: one for one in found if one.attempt == attempt}
        first = _next_seq(connection, parts, start)
        if first is not None:
            end = first + WINDOW - 1
            return _window(connection, parts, first, end), Cursor(attempt, end)
    return [], None


def _next_seq(connection: Connection, parts: dict[int, Series], start: int) -> int | None:
    firsts = []
    for table in (point, shape):
        for id in parts:
            query = select(func.min(table.c.seq)).where(table.c.series == id, table.c.seq > start)
            firsts.append(connection.execute(query).scalar())
    return min((first for first in firsts if first is not None), default=None)


def _window(connection: Connection, parts: dict[int, Series], first: int, end: int) -> list[Item]:
    items: list[Item] = []
    points = select(point).where(point.c.series.in_(parts), point.c.seq.between(first, end))
    for id, seq, step, epoch, time, value in connection.execute(points):
        part = parts[id]
        if part.until is None or step < part.until:
            items.append(_item(part, seq, step, epoch, time, "scalar", _number(value)))
    newest = select(func.max(shape.c.seq)).where(shape.c.series.in_(parts))
    shapes = select(shape).where(
        shape.c.series.in_(parts),
        shape.c.seq.between(first, end),
        shape.c.seq.in_(newest.group_by(shape.c.series)),
    )
    for id, seq, step, epoch, time, kind, value in connection.execute(shapes):
        part = parts[id]
        if part.until is None or step < part.until:
            items.append(_item(part, seq, step, epoch, time, kind, value))
    return sorted(items, key=lambda item: item["seq"])


def _item(
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


def _number(value: float | None) -> Any:
    return "nan" if value is None else number(value)


def add_series(
    connection: Connection, job: str, attempt: int, names: Iterable[str]
) -> dict[str, int]:
    """The ids of an attempt's names, made where they are new."""
    rows = [{"job": job, "attempt": attempt, "name": name} for name in names]
    connection.execute(_insert(connection, series).on_conflict_do_nothing(), rows)
    query = select(series.c.name, series.c.id).where(
        series.c.job == job, series.c.attempt == attempt
    )
    return {str(row.name): int(row.id) for row in connection.execute(query)}


def add(connection: Connection, points: list[Item], shapes: list[Item]) -> None:
    """Write rows; those that are there already stay as they are."""
    for table, rows in ((point, points), (shape, shapes)):
        if rows and table is point and connection.dialect.name == "postgresql":
            connection.execute(_AT_ONCE, {name: [row[name] for row in rows] for name in _COLUMNS})
        elif rows:
            connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def _insert(connection: Connection, table: Any) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
