"""One measurement of many jobs at once, as columns: for plots that lay runs over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated

import orjson
from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from backend.documents import cursor
from backend.errors import bad_field
from backend.parts import Given, Parts, is_id, json
from backend.store import jobs, overlay
from backend.store.names import Range, Series, series_of_jobs
from worker.contract.measurement import Number

router = APIRouter(tags=["measurements"])

MOST_JOBS = 200
Text = Annotated[str, Query(min_length=1, max_length=8000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Step = Annotated[int | None, Query(ge=0, le=2**31 - 1)]


class Overlaid(BaseModel):
    job: str
    name: str
    step: list[int]
    epoch: list[float]
    time: list[float] = Field(description="seconds since 1970")
    value: list[Number]
    downsampled: bool = Field(description="the least and greatest value of every stretch only")
    attempt: int
    seq: int = Field(description="of the last measurement; with the attempt, a cursor")


class Overlays(BaseModel):
    items: list[Overlaid]
    cursors: dict[str, str] = Field(description="each job's, of the moment it was read")


@router.get("/overlay", responses={200: {"model": Overlays}})
def read(
    given: Given,
    jobs_: Annotated[Text, Query(alias="jobs")],
    name: Text,
    points: Annotated[int, Query(ge=4, le=20_000)] = 500,
    from_: Annotated[int | None, Query(alias="from", ge=0, le=2**31 - 1)] = None,
    to: Step = None,
) -> Response:
    """Scalars of several jobs (ids by commas) under exact names (by commas), at most `points` of
    each; a job that is gone or never measured it is left out."""
    wanted = list(dict.fromkeys(part for part in jobs_.split(",") if is_id(part)))
    if len(wanted) > MOST_JOBS:
        raise bad_field("jobs", f"at most {MOST_JOBS}")
    names = list(dict.fromkeys(name.split(",")))
    where = Range(first=from_, last=to)
    with given.store.read() as connection:
        found = series_of_jobs(connection, wanted, names)
        ends = overlay.ends(connection, [part.id for parts in found.values() for part in parts])
        items = [
            one
            for key in product(wanted, names)
            if key in found
            and (one := _item(given, connection, key, found[key], ends, where, points))
        ]
        cursors = {job: cursor(*at) for job, at in jobs.told(connection, wanted).items()}
    return json({"items": [orjson.Fragment(one) for one in items], "cursors": cursors})


def _item(
    given: Parts,
    connection: Connection,
    key: tuple[str, str],
    parts: Sequence[Series],
    ends: Mapping[int, int],
    where: Range,
    most: int,
) -> bytes:
    """A job's curve as JSON, nothing where it has no point; the same until it grows."""

    def read() -> bytes:
        columns = overlay.read(connection, parts, where, most)
        return orjson.dumps({"job": key[0], "name": key[1], **columns}) if columns["step"] else b""

    stamp = tuple((part.id, part.until, ends[part.id]) for part in parts)
    return given.thinned.get((*key, where, most), stamp, read)
