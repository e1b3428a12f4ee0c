"""What a job measured after a cursor, page by page: an event stream's past."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, func, select

from backend.cursor import Cursor
from backend.store.measurements import Item, item_of, value_of
from backend.store.names import Series, batches, series_of
from backend.store.tables import point, series, shape

Pick = Callable[[Any], Any]
MOST = 2**31 - 1
WINDOW = 2_000
"""Sequence numbers that a page covers."""


def page(connection: Connection, job: str, cursor: Cursor) -> tuple[list[Item], Cursor | None]:
    """A page of what came after the cursor, in order, and the cursor to go on from, that of the
    last number there is: the rest of the window may be recorded before the next page is read. None
    at the end. Of shapes only each name's newest."""
    found = [one for one in series_of(connection, job) if one.attempt >= cursor.attempt]
    for attempt in sorted({one.attempt for one in found}):
        start = cursor.seq if attempt == cursor.attempt else 0
        parts = {one.id: one for one in found if one.attempt == attempt}
        first = min(_seqs(connection, parts, func.min, start + 1), default=None)
        if first is not None:
            end = first + WINDOW - 1
            last = max(_seqs(connection, parts, func.max, first, end))
            return _window(connection, parts, first, last), Cursor(attempt, last)
    return [], None


def _seqs(
    connection: Connection, parts: dict[int, Series], pick: Pick, first: int, end: int = MOST
) -> list[int]:
    """The least or the greatest numbers there are between two, of several parts."""
    found = []
    for table in (point, shape):
        mine = select(pick(table.c.seq)).where(table.c.series == series.c.id)
        one = mine.where(table.c.seq.between(first, end)).scalar_subquery()
        for some in batches(list(parts)):
            each = select(one.label("seq")).where(series.c.id.in_(some)).subquery()
            found.append(connection.execute(select(pick(each.c.seq))).scalar())
    return [seq for seq in found if seq is not None]


def _window(connection: Connection, parts: dict[int, Series], first: int, end: int) -> list[Item]:
    items: list[Item] = []
    for some in batches(list(parts)):
        points = select(point).where(point.c.series.in_(some), point.c.seq.between(first, end))
        for id, seq, step, epoch, time, value in connection.execute(points):
            told = (seq, step, epoch, time, "scalar", value_of(value))
            items.append(item_of(parts[id], *told))
        newest = select(func.max(shape.c.seq)).where(shape.c.series.in_(some))
        shapes = select(shape).where(
            shape.c.series.in_(some),
            shape.c.seq.between(first, end),
            shape.c.seq.in_(newest.group_by(shape.c.series)),
        )
        items += [item_of(parts[id], *told) for id, *told in connection.execute(shapes)]
    cut = {(part.name, part.attempt): part.cut for part in parts.values()}
    kept = [item for item in items if item["step"] < cut[item["name"], item["attempt"]]]
    return sorted(kept, key=lambda item: item["seq"])
