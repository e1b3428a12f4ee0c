"""Few points that stand for many, found inside the database.

Beyond `most` points a series is cut into stretches of equal numbers of measurements, and each
gives its least and its greatest finite value and the first that is not finite, so that no spike is
lost or moved.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, func, select, union

from backend.cursor import Cursor
from backend.downsample import chosen
from backend.store.names import BEYOND, Range, Series
from backend.store.tables import point

GREATEST = sys.float_info.max


@dataclass(frozen=True)
class Few:
    """Rows of the table of points, each with its series, and where the last of all is."""

    points: list[tuple[Series, Any]]
    thinned: bool
    last: Cursor


def read(connection: Connection, parts: Sequence[Series], where: Range, most: int) -> Few:
    """At most `most` points (4 or more) of one name, the oldest attempt first."""
    found: list[tuple[Series, Any]] = []
    thinned = False
    for part in parts:
        rows, fewer = _rows(connection, part, where, most)
        found += [(part, row) for row in rows]
        thinned |= fewer
    last = Cursor(found[-1][0].attempt, found[-1][1].seq) if found else Cursor()
    kept = [found[index] for index in chosen([row.value for _, row in found], most)]
    return Few(kept, thinned or len(kept) < len(found), last)


def _rows(
    connection: Connection, part: Series, where: Range, most: int
) -> tuple[Sequence[Any], bool]:
    """Those of one attempt, and whether some are left out."""
    mine = {"series": part.id, **_bounds(part, where)}
    count, first, end = connection.execute(SPAN, {**mine, "most": most}).one()
    if count <= most:
        return connection.execute(ALL, mine).all(), False
    broken = connection.execute(BROKEN, mine).first() is not None
    stretches = max(1, (most - 2) // (3 if broken else 2))
    cuts = {"first": first, "end": end, "width": -(-(end - first + 1) // stretches)}
    return connection.execute(EXTREMES[broken], {**mine, **cuts}).all(), True


def _bounds(part: Series, where: Range) -> dict[str, int]:
    """What `Range.conditions` says, as numbers."""
    last = BEYOND if where.last is None else where.last
    after = where.after.seq if where.after.attempt == part.attempt else -1
    latest = min(last, part.cut - 1)
    return {"after": min(after, BEYOND - 1), "from": where.first or 0, "to": latest}


# The statements are made once: making one takes as long as its answer.


def _mine(*columns: ColumnElement[Any]) -> Select[Any]:
    of_series = point.c.series == bindparam("series")
    return select(*columns).where(
        of_series, point.c.step.between(bindparam("from"), bindparam("to"))
    )


def _later(*columns: ColumnElement[Any]) -> Select[Any]:
    """Beyond the cursor too. Not for a stretch, which begins beyond it: of two lower limits SQLite
    seeks by one."""
    return _mine(*columns).where(point.c.seq > bindparam("after"))


def _span() -> Select[Any]:
    """How many points there are, counted to one more than `most`, the first and the last."""
    some = _later(point.c.seq).limit(bindparam("most") + 1).subquery()
    count = select(func.count()).select_from(some).scalar_subquery()
    ends = (_later(point.c.seq).order_by(o).limit(1) for o in (point.c.seq, point.c.seq.desc()))
    return select(count, *(end.scalar_subquery() for end in ends))


def _extremes(broken: bool) -> Select[Any]:
    """The first point, the last, and two of every stretch, or three where some are not finite. A
    stretch's are found by its range of the primary key, with nothing to sort."""
    first, end, width = (bindparam(name, type_=Integer) for name in ("first", "end", "width"))
    stretch = select(first.label("low")).cte("stretch", recursive=True)
    low = stretch.c.low
    stretch = stretch.union_all(select(low + width).where(low + width <= end))
    low = stretch.c.low
    inside = _mine(point.c.seq).where(point.c.seq >= low, point.c.seq < low + width).limit(1)
    found = [inside.where(FINITE).order_by(o) for o in (point.c.value, point.c.value.desc())]
    if broken:
        found.append(inside.where(~FINITE).order_by(point.c.seq))
    each = (one.correlate(stretch).scalar_subquery() for one in found)
    picked = union(*(select(one).select_from(stretch) for one in each), select(first), select(end))
    query = select(point).where(point.c.series == bindparam("series")).order_by(point.c.seq)
    return query.where(point.c.seq.in_(select(picked.subquery())))


FINITE = func.coalesce(point.c.value.between(-GREATEST, GREATEST), False)
SPAN, EXTREMES = _span(), {broken: _extremes(broken) for broken in (False, True)}
ALL = _later(*point.c).order_by(point.c.seq)
BROKEN = _later(point.c.seq).where(~FINITE).limit(1)
