"""A job as an archive carries it: what comes in is held to these forms, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from backend.archive import ArchiveError
from backend.requests import Name, Tags
from worker.contract.measurement import Number, Shaped

KIND = "normscope jobs"
FOLDER = "jobs"
MOST_POINTS = 1000
"""Of a line."""

_NO_NUL = r"^[^\x00]*$"
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,31}$")]
Word = Annotated[str, StringConstraints(max_length=300, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=20_000, pattern=_NO_NUL)]
Words = Annotated[list[Word], Field(max_length=10_000)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Attempt = Annotated[int, Field(ge=1, le=1_000_000)]
Moment = Annotated[float, Field(ge=0, le=253_402_300_799)]  # the last second of the year 9999
FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}\.(safetensors|json|csv)$"),
]
M = TypeVar("M", bound=BaseModel)


class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Note(_Told):
    code: Word
    message: Text
    step: Count
    attempt: Attempt


class Info(_Told):
    """What a worker told when it started; an older or newer one told less."""

    steps_per_epoch: Count | None = None
    resumed_at: Count | None = None
    parameters: Annotated[int, Field(ge=0, le=10**15)] | None = None
    layers: Words | None = None
    terms: Words | None = None
    series: Words | None = None
    attacks: Words | None = None
    diagnostics: Words | None = None
    skipped: Words | None = None
    examples: Count | None = None
    eps_grid: list[Number] | None = None
    notes: Annotated[list[Note], Field(max_length=100)] | None = None


class Fault(_Told):
    code: Word
    message: Text
    step: Count | None = None
    details: Text = ""


class Origin(_Told):
    """The trained network that an attack or a diagnosis started from."""

    job: Id
    attempt: Attempt
    spec: dict[str, Any]
    peers: Annotated[list[Origin], Field(max_length=64)] = []


class File(_Told):
    attempt: Attempt
    name: FileName
    kind: Literal["checkpoint", "images", "table"]
    step: Count
    created_at: Moment


class Carried(_Told):
    """A job that ended, without what only its installation knew: queue, owner, sweep, prices."""

    id: Id
    kind: Literal["train", "attack", "diagnose"]
    state: Literal["succeeded", "failed", "cancelled"]
    attempt: Attempt
    name: Name
    tags: Tags
    spec: dict[str, Any]
    source: Origin | None
    catalogue: Annotated[str, StringConstraints(max_length=64, pattern=_NO_NUL)] | None
    created_at: Moment
    started_at: Moment | None
    attempt_at: Moment | None
    ended_at: Moment
    worker: Word | None
    device: Word | None
    info: Info | None
    step: Count | None
    steps: Count | None
    epoch: float | None
    epochs: float | None
    summary: Annotated[dict[Word, Number], Field(max_length=100_000)]
    error: Fault | None
    message: Text
    told_attempt: Annotated[int, Field(ge=0, le=1_000_000)]
    told_seq: Count
    files: Annotated[list[File], Field(max_length=1000)]


class Line(_Told):
    """Some measurements of one name of one attempt: seq, step, epoch, time and value of each."""

    attempt: Attempt
    name: Annotated[Word, Field(min_length=1)]
    points: Annotated[
        list[tuple[Count, Count, float, Moment, Number]], Field(max_length=MOST_POINTS)
    ] = []
    shapes: Annotated[
        list[tuple[Count, Count, float, Moment, Shaped]], Field(max_length=MOST_POINTS)
    ] = []


def parsed(model: type[M], data: bytes, member: str) -> M:
    """The model of a member's JSON; ArchiveError naming the field that is wrong."""
    try:
        return model.model_validate(from_json(data, allow_inf_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part)[:80] for part in first["loc"])
        raise ArchiveError(f"{member}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"{member} is not JSON") from error
