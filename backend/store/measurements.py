"""Measurements: written once each by (job, attempt, seq), read by name, by step, or after a cursor.

Where a later attempt went over the same steps again, its points replace the earlier one's: of an
earlier attempt only the points before the later one's first step are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from operator import attrgetter
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
BEYOND = 2**31
"""No step is so late."""
MOST_IDS = 500
"""Series that one statement names."""


@dataclass(frozen=True)
class Series:
    """One name of one attempt; only its points before step `until` count."""

    id: int
    attempt: int
    name: str
    until: int | None = None

    @property
    def cut(self) -> int:
        """The step that it does not reach."""
        return BEYOND if self.until is None else self.until


@dataclass(frozen=True)
class Range:
    """Which points to read. A range of steps also opens the history of shapes."""

    after: Cursor = START
    first: int | None = None
    last: int | None = None

    def conditions(self, table: Any, *parts: Series) -> list[ColumnElement[bool]]:
        """For series of one attempt that are cut at the same step."""
        of, ids = parts[0], [part.id for part in parts]
        found = [table.c.series == ids[0] if len(ids) == 1 else table.c.series.in_(ids)]
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


def first_names(
    found: Sequence[Series], patterns: Sequence[str], most: int | None
) -> tuple[list[Series], int]:
    """The series of at most so many names, those of the first pattern first, and how many names
    were left out."""

    def place(name: str) -> int:
        return next((at for at, one in enumerate(patterns) if fnmatchcase(name, one)), 0)

    names = sorted({one.name for one in found}, key=lambda name: (place(name), name))
    kept = set(names[:most])
    return [one for one in found if one.name in kept], len(names) - len(kept)


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
    by_name = [list(attempts) for _, attempts in groupby(rows, key=lambda row: row.name)]
    later = [row.id for attempts in by_name for row in attempts[:-1]]
    first = _first_steps(connection, later)
    for attempts in by_name:
        until: int | None = None
        for row in attempts:  # the newest first
            found.append(Series(row.id, row.attempt, row.name, until))
            step = first.get(row.id)
            until = min((known for known in (until, step) if known is not None), default=None)
    return sorted(found, key=lambda one: (one.name, one.attempt))


def _first_steps(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The step of the first measurement of each series that has one."""
    found: dict[int, int] = {}
    for some in batches(ids):
        for table in (shape, point):
            first = select(table.c.step).where(table.c.series == series.c.id)
            step = first.order_by(table.c.seq).limit(1).scalar_subquery()
            rows = connection.execute(select(series.c.id, step).where(series.c.id.in_(some)))
            found |= {id: step for id, step in rows if step is not None}
    return found


def batches(all: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """So many as one statement may name."""
    for start in range(0, len(all), MOST_IDS):
        yield all[start : start + MOST_IDS]


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
            items += _thinned(connection, parts, where, most)
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
            found[id] = list(_items(by_id[id], mine))
    return found


def _thinned(connection: Connection, parts: list[Series], where: Range, most: int) -> list[Item]:
    keys: list[tuple[Series, int]] = []
    values: list[float | None] = []
    for part in parts:
        query = select(point.c.seq, point.c.value).where(*where.conditions(point, part))
        rows = connection.execute(query.order_by(point.c.seq)).all()
        keys += [(part, row[0]) for row in rows]
        values += [row[1] for row in rows]
    picked = [keys[index] for index in chosen(values, most)]
    items: list[Item] = []
    for part in parts:
        wanted = point.c.seq.in_([seq for of, seq in picked if of is part])
        query_all = select(point).where(point.c.series == part.id, wanted)
        items += _items(part, connection.execute(query_all.order_by(point.c.seq)))
    return items


def _items(part: Series, rows: Iterable[Any]) -> Iterator[Item]:
    for _, seq, step, epoch, time, value in rows:
        yield item_of(part, seq, step, epoch, time, "scalar", value_of(value))


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
