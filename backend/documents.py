"""The JSON documents of REST v1: their models, which OpenAPI shows, and how rows become them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from backend.store.jobs import PRIORITIES
from worker.contract.measurement import Number, Shaped

State = Literal["queued", "running", "succeeded", "failed", "cancelled", "interrupted"]


class Progress(BaseModel):
    step: int
    steps: int | None
    epoch: float
    epochs: float | None
    eta_s: float | None = Field(description="seconds that are left, once they can be told")


class JobError(BaseModel):
    code: str
    message: str
    step: int | None = None
    details: str = ""


class Job(BaseModel):
    id: str
    kind: Literal["train", "attack", "diagnose"]
    state: State
    attempt: int
    name: str
    tags: list[str]
    sweep: str | None
    spec: dict[str, Any]
    source: dict[str, Any] | None = Field(description="of an attack: what trained its network")
    progress: Progress
    created_at: datetime
    started_at: datetime | None
    attempt_started_at: datetime | None = Field(description="of the present attempt")
    ended_at: datetime | None
    worker: str | None
    device: str | None
    summary: dict[str, Number] = Field(description="each scalar's last value by its name")
    error: JobError | None
    message: str = Field(description="how it ended, where there is something to say")
    catalogue: str | None
    info: dict[str, Any] | None = Field(description="what the worker told when it started")
    estimate: dict[str, Any] | None
    cancelling: bool
    owner: str | None = Field(description="the name of the token that asked for it")
    priority: Literal["low", "normal", "high"]
    cursor: str = Field(description="of its newest recorded measurement: attempt.seq, or 0")


class Jobs(BaseModel):
    items: list[Job]
    next: str | None


class SweepJob(BaseModel):
    id: str
    name: str | None
    state: State
    values: dict[str, Any] = Field(description="of the swept fields")
    summary: dict[str, Number]


class Sweep(BaseModel):
    id: str
    name: str
    base: dict[str, Any]
    grid: dict[str, list[Any]]
    created_at: datetime
    counts: dict[str, int] = Field(description="jobs by state")
    done: float = Field(description="share of the work")
    jobs: list[SweepJob]


class Sweeps(BaseModel):
    items: list[Sweep]


class SweepEstimate(BaseModel):
    jobs: int
    seconds: float
    flops: float
    points: int
    memory_bytes: int = Field(description="of the largest job")
    names: list[str]


class Measurement(BaseModel):
    name: str
    seq: int
    attempt: int
    step: int
    epoch: float
    time: float
    shape: str
    value: Number | Shaped


class Measurements(BaseModel):
    items: list[Measurement]
    next: str = Field(description="hand it to /events?after=<job>:<next>")
    downsampled: bool
    names_left_out: int = Field(0, description="names that `names` left no room for")


class Artifact(BaseModel):
    id: str
    kind: Literal["checkpoint", "images", "table"]
    name: str
    bytes: int
    sha256: str
    step: int
    attempt: int
    created_at: datetime


class Artifacts(BaseModel):
    items: list[Artifact]


def moment(seconds: float | None) -> str | None:
    """RFC 3339 in UTC."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def cursor(attempt: int, seq: int) -> str:
    return f"{attempt}.{seq}" if attempt else "0"


_PLAIN = (
    *("id", "kind", "state", "attempt", "name", "tags", "sweep", "spec", "worker", "device"),
    *("summary", "error", "message", "catalogue", "info", "estimate"),
    "owner",
)


def job_document(row: Mapping[str, Any], summary: Collection[str] | None = None) -> dict[str, Any]:
    """A job as REST shows it, from its row; of its summary only these names, where some are
    given."""
    if summary is not None:
        known = row["summary"]
        row = {**row, "summary": {name: known[name] for name in summary if name in known}}
    progress = {
        "step": row["step"] or 0,
        "steps": row["steps"],
        "epoch": row["epoch"] or 0.0,
        "epochs": row["epochs"],
        "eta_s": row["eta_s"],
    }
    return {
        **{name: row[name] for name in _PLAIN},
        "progress": progress,
        **{name: moment(row[name]) for name in ("created_at", "started_at", "ended_at")},
        "attempt_started_at": moment(row["attempt_at"]),
        "source": _source(row["source"]),
        "priority": PRIORITIES[row["priority"]],
        "cancelling": row["cancel_at"] is not None and row["ended_at"] is None,
        "cursor": cursor(row["told_attempt"], row["told_seq"]),
    }


def _source(source: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The train job that left the network, with the data and the model of its spec."""
    if source is None:
        return None
    return {"job": source["job"], **{name: source["spec"][name] for name in ("dataset", "model")}}


def artifact_document(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("id", "kind", "name", "bytes", "sha256", "step", "attempt")
    return {**{name: row[name] for name in plain}, "created_at": moment(row["created_at"])}
