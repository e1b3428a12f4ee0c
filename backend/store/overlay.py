"""One measurement of many jobs as columns, thinned inside the database: what an overlay draws.

Beyond `most` points a series is cut into stretches of equal numbers of measurements, and each
gives the points of its least and its greatest value, so that no spike is lost or moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, bindparam, func, select, union

from backend.store.measurements import Range, Series
from backend.store.tables import point, series
from worker.contract.measurement import number

COLUMNS = ("step", "epoch", "time", "value")
LAST_STEP = 2**31 - 1


def read(
    connection: Connection, parts: Sequence[Series], where: Range, most: int
) -> dict[str, Any]:
    """The columns of one name of a job, oldest attempt first, with the number of the last
    measurement that they hold and whether any was left out."""
    each = max(4, most // max(len(parts), 1))
    columns: list[list[Any]] = [[] for _ in COLUMNS]
    thinned = False
    last = (0, 0)
    for part in parts:
        rows, fewer, seq = _rows(connection, part, where, each)
        for column, values in zip(columns, zip(*rows, strict=True), strict=False):
            column += values
        thinned |= fewer
        last = max(last, (part.attempt, seq))
    found = dict(zip(COLUMNS, columns, strict=True))
    found["value"] = [number(float("nan")) if v is None else number(v) for v in found["value"]]
    return {**found, "downsampled": thinned, "attempt": last[0], "seq": last[1]}


def ends(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """The number of the last point of each series: it tells whether a series has grown."""
    last = select(func.max(point.c.seq)).where(point.c.series == series.c.id).scalar_subquery()
    query = select(series.c.id, func.coalesce(last, 0).label("end")).where(series.c.id.in_(ids))
    return {row.id: row.end for row in connection.execute(query)}


def _rows(
    connection: Connection, part: Series, where: Range, most: int
) -> tuple[Sequence[Any], bool, int]:
    last = LAST_STEP if where.last is None else where.last
    until = LAST_STEP if part.until is None else part.until - 1
    mine = {"series": part.id, "from": where.first or 0, "to": min(last, until)}
    count, first, end = connection.execute(SPAN, {**mine, "most": most}).one()
    if count <= most:
        return connection.execute(ALL, mine).all(), False, end or 0
    width = -(-(end - first + 1) // max(1, (most - 2) // 2))
    rows = connection.execute(EXTREMES, {**mine, "first": first, "end": end, "width": width})
    return rows.all(), True, end


# The statements are made once: making one takes as long as its answer.


def _mine(*columns: ColumnElement[Any]) -> Select[Any]:
    of_series = point.c.series == bindparam("series")
    steps = point.c.step.between(bindparam("from"), bindparam("to"))
    return select(*columns).where(of_series, steps)


def _span() -> Select[Any]:
    """How many points there are, counted to one more than `most`, the first and the last."""
    some = _mine(point.c.seq).limit(bindparam("most") + 1).subquery()
    count = select(func.count()).select_from(some).scalar_subquery()
    ends = (_mine(point.c.seq).order_by(o).limit(1) for o in (point.c.seq, point.c.seq.desc()))
    return select(count, *(end.scalar_subquery() for end in ends))


def _extremes() -> Select[Any]:
    """The first point, the last, and two of every stretch; one that is no number counts as
    least. A stretch's two are found by its range of the primary key, with nothing to sort."""
    first, end, width = (bindparam(name, type_=Integer) for name in ("first", "end", "width"))
    stretch = select(first.label("low")).cte("stretch", recursive=True)
    low = stretch.c.low
    stretch = stretch.union_all(select(low + width).where(low + width <= end))
    low = stretch.c.low
    inside = _mine(point.c.seq).where(point.c.seq >= low, point.c.seq < low + width).limit(1)
    orders = (point.c.value.asc().nulls_first(), point.c.value.desc().nulls_last())
    found = (inside.order_by(order).correlate(stretch).scalar_subquery() for order in orders)
    of_stretches = (select(seq).select_from(stretch) for seq in found)
    picked = union(*of_stretches, select(first), select(end)).subquery()
    of_series = point.c.series == bindparam("series")
    query = select(*(point.c[name] for name in COLUMNS)).order_by(point.c.seq)
    return query.where(of_series, point.c.seq.in_(select(picked)))


SPAN, EXTREMES = _span(), _extremes()
ALL = _mine(*(point.c[name] for name in COLUMNS)).order_by(point.c.seq)
