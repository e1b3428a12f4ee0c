"""One measurement of many jobs as columns, thinned inside the database: what an overlay draws.

Beyond `most` points a series is cut into stretches of equal numbers of measurements, and each
gives its least and its greatest value, so that no spike is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Integer, case, cast, func, select

from backend.store.measurements import Range, Series, series_of
from backend.store.tables import point
from worker.contract.measurement import number

COLUMNS = ("step", "epoch", "time", "value")


def read(connection: Connection, job: str, name: str, where: Range, most: int) -> dict[str, Any]:
    """The columns of a job's series, oldest attempt first, with the number of the last
    measurement that they hold and whether any was left out."""
    parts = series_of(connection, job, [name.replace("[", "[[]")])
    each = max(4, most // max(len(parts), 1))
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    thinned = False
    last = (0, 0)
    for part in parts:
        rows, fewer, seq = _rows(connection, part, where, each)
        for name_, values in zip(COLUMNS, zip(*rows, strict=True), strict=False):
            columns[name_] += values
        thinned |= fewer
        last = max(last, (part.attempt, seq))
    columns["value"] = [number(float("nan")) if v is None else number(v) for v in columns["value"]]
    return {**columns, "downsampled": thinned, "attempt": last[0], "seq": last[1]}


def _rows(
    connection: Connection, part: Series, where: Range, most: int
) -> tuple[Sequence[Any], bool, int]:
    mine = where.conditions(part, point)
    span = select(func.count(), func.min(point.c.seq), func.max(point.c.seq)).where(*mine)
    count, first, end = connection.execute(span).one()
    if not count:
        return [], False, 0
    if count <= most:
        query = select(*(point.c[name] for name in COLUMNS)).where(*mine).order_by(point.c.seq)
        return connection.execute(query).all(), False, end
    return _extremes(connection, mine, first, (end - first) / (most // 2) + 1e-9), True, end


def _extremes(connection: Connection, mine: Any, first: int, width: float) -> list[Any]:
    """Two points a stretch: where it begins with one extreme, where it ends with the other."""
    stretch = cast((point.c.seq - first) / width, Integer)
    values = point.c.value
    nothing = func.sum(case((values.is_(None), 1), else_=0))
    ends = [f(point.c[name]) for f in (func.min, func.max) for name in COLUMNS[:3]]
    query = select(*ends, func.min(values), func.max(values), nothing).where(*mine)
    rows: list[Any] = []
    for *places, low, high, broken in connection.execute(query.group_by(stretch).order_by(stretch)):
        rows += [(*places[:3], low), (*places[3:], None if broken else high)]
    return rows
