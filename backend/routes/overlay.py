"""One measurement of many jobs at once, as columns: for plots that lay runs over each other."""

from __future__ import annotations

from itertools import product
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.documents import cursor
from backend.errors import bad_field
from backend.parts import Given, is_id, json
from backend.store import jobs, overlay
from backend.store.measurements import Range, series_of_jobs
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
        items = [
            {"job": job, "name": one, **columns}
            for job, one in product(wanted, names)
            if (job, one) in found
            and (columns := overlay.read(connection, found[job, one], where, points))["step"]
        ]
        cursors = {job: cursor(*at) for job, at in jobs.told(connection, wanted).items()}
    return json({"items": items, "cursors": cursors})
