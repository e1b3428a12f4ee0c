"""What a job measured: as JSON for plots, as CSV for everything else."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Query
from starlette.responses import Response, StreamingResponse

from backend import openapi
from backend.cursor import Cursor
from backend.documents import Measurements
from backend.errors import bad_field
from backend.parts import Given, job_row, json
from backend.store import jobs, measurements
from backend.store.names import Range, first_names, series_of

router = APIRouter(tags=["measurements"])

MOST_PATTERNS = 64
COLUMNS = ("name", "attempt", "seq", "step", "epoch", "time", "value")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
Step = Annotated[int | None, Query(ge=0, le=2**31 - 1)]
Names = Annotated[
    list[Annotated[str, Query(max_length=2000, pattern=r"^[^\x00-\x1f\x7f]*$")]], Query()
]


@router.get("/jobs/{id}/measurements", responses=openapi.media("text/csv", model=Measurements))
def read(
    given: Given,
    id: str,
    name: Names = [],  # noqa: B006, FastAPI copies it
    after: Annotated[str, Query(max_length=40)] = "0",
    points: Annotated[int | None, Query(ge=4, le=20_000)] = None,
    from_: Annotated[int | None, Query(alias="from", ge=0, le=2**31 - 1)] = None,
    to: Step = None,
    names: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    format: Literal["json", "csv"] = "json",
) -> Response:
    """Measurements whose name matches a pattern (`train/*`; several by commas), after a cursor,
    from a step to a step; with `names`, of so many names at most, those of the first pattern
    first. JSON holds at most `points` (2,000) of each name: the least and the
    greatest of every bucket; CSV all of them unless `points` is given. Of a shape that is no
    number, the newest, unless steps are asked for."""
    job_row(given, id)
    where = Range(_cursor(after), from_, to)
    most = points if points or format == "csv" else 2_000
    patterns = _patterns(name)
    with given.store.read() as connection:
        row = jobs.get(connection, id)
        at = Cursor(row["told_attempt"], row["told_seq"]) if row else Cursor()
        found = series_of(connection, id, patterns)
        series, left_out = first_names(found, patterns, names)
        items, fewer = measurements.read(connection, series, where, most)
    if format == "csv":
        return _csv(id, items)
    told = {"items": items, "next": str(at), "downsampled": fewer, "names_left_out": left_out}
    return json(told)


def _cursor(text: str) -> Cursor:
    try:
        return Cursor.parse(text)
    except ValueError as error:
        raise bad_field("after", str(error)) from error


def _patterns(names: Iterable[str]) -> list[str]:
    """Only `*` is special."""
    found = [part.replace("[", "[[]").replace("?", "[?]") for n in names for part in n.split(",")]
    patterns = [part for part in found if part]
    if len(patterns) > MOST_PATTERNS:
        raise bad_field("name", f"at most {MOST_PATTERNS} patterns")
    return patterns


def _csv(id: str, items: Iterable[measurements.Item]) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{id}.csv"'}
    return StreamingResponse(_lines(items), 200, headers, "text/csv; charset=utf-8")


def _lines(items: Iterable[measurements.Item]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for count, item in enumerate(items, 1):
        writer.writerow([_cell(item[column]) for column in COLUMNS])
        if count % 1000 == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _cell(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula gets a quote before it."""
    if isinstance(value, str) and value.startswith(FORMULA) and value != "-inf":
        return f"'{value}"
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text
