"""The series of a job: one name of one attempt each, and which of its points count.

Where a later attempt went over the same steps again, its points replace the earlier one's: of an
earlier attempt only the points before the later one's first step are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from backend.cursor import Cursor
from backend.store.tables import point, series, shape

_PARTS = (series.c.id, series.c.attempt, series.c.name)
_NEWEST_FIRST = (series.c.name, series.c.attempt.desc())
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
