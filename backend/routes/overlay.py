"""One measurement of many jobs at once, as columns: for plots that lay runs over each other."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.errors import bad_field
from backend.parts import Given, is_id, json
from backend.store import jobs, overlay
from backend.store.measurements import Range
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
    where = Range(first=from_, last=to)
    items: list[dict[str, Any]] = []
    with given.store.read() as connection:
        for id in wanted:
            if not jobs.exists(connection, id):
                continue
            for one in name.split(","):
                found = overlay.read(connection, id, one, where, points)
                if found["step"]:
                    items.append({"job": id, "name": one, **found})
    return json({"items": items})
