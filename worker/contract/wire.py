"""What the two sides agree on at the broker: names of tasks and keys, and the ticket of a job.

A Celery message carries only a job's id. What to do lies in the job's ticket; who may do it is
decided by the job's lease; what came of it is told on the job's stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["train", "attack", "diagnose"]
TASKS: dict[Kind, str] = {
    "train": "normscope.train",
    "attack": "normscope.attack",
    "diagnose": "normscope.diagnose",
}
Needs = Literal["any", "cuda"]
"""The device that a job cannot do without."""

QUEUE, CUDA_QUEUE = "normscope", "normscope.cuda"
QUEUES: dict[Needs, str] = {"any": QUEUE, "cuda": CUDA_QUEUE}
"""Where a worker takes jobs: every one from the first, one that has a GPU from both."""

BELL = "normscope:bell"
"""Stream: a worker rings with {job} when it starts to tell on a job's stream; with {job,
handed_back: attempt} when it stops and frees the lease of a job that is not done; and with {job,
lost: attempt, reason} when the process that ran it died."""

STATES = "normscope:states"
"""Capped stream: {job: the job's REST document} after every committed change of a job."""

LEASE_MS = 15_000
RENEW_S = 4.0
WORKER_TTL_S = 30


def ticket_key(job: str) -> str:
    return f"normscope:ticket:{job}"


def lease_key(job: str) -> str:
    """Held with SET NX PX by the attempt that runs; its value is `lease_value`."""
    return f"normscope:lease:{job}"


def lease_value(attempt: int, worker: str) -> str:
    return f"{attempt}:{worker}"


def done_key(job: str) -> str:
    """The attempt that ended the job: a later delivery of the same message returns at once."""
    return f"normscope:done:{job}"


def begun_key(job: str) -> str:
    """The last attempt that a worker began: if no one runs it and it is not done, it is lost."""
    return f"normscope:begun:{job}"


def cancel_key(job: str) -> str:
    return f"normscope:cancel:{job}"


def stream_key(job: str) -> str:
    """Stream of the job's events; each entry has one field `events`, a JSON array."""
    return f"normscope:events:{job}"


def worker_key(worker: str) -> str:
    """JSON of a `WorkerCard`, expiring after WORKER_TTL_S."""
    return f"normscope:worker:{worker}"


ASKED = "normscope:asked"
"""List: questions (`Question` as JSON) to whoever serves probes; the oldest first."""

DESK_S = 10


def answer_key(question: str) -> str:
    """List with one `Answer` as JSON, expiring after a minute."""
    return f"normscope:answer:{question}"


def desk_key(desk: str) -> str:
    """There while a process serves probes, expiring after DESK_S."""
    return f"normscope:desk:{desk}"


RECORDER_S = 10


def recorder_key(recorder: str) -> str:
    """There while a recorder gets through its rounds, expiring after RECORDER_S."""
    return f"normscope:recorder:{recorder}"


SUMS = "normscope:sums"
"""Hash: what recorders counted since the broker was new, by name."""


def needs(spec: Mapping[str, Any]) -> Needs:
    """Of a job that asks for a GPU: no other worker may take it."""
    return "cuda" if spec.get("device") == "cuda" else "any"


class Source(BaseModel):
    """The trained network that an attack or a diagnosis starts from, and those it is set beside."""

    model_config = ConfigDict(frozen=True)

    job: str
    attempt: int
    spec: dict[str, Any]
    checkpoint: str
    peers: list[Source] = []


class Ticket(BaseModel):
    """Everything an attempt needs to know, as JSON at `ticket_key(job)`: what to do, and if it is
    traced the W3C traceparent of who asked for it. It waits `since` then (Unix seconds)."""

    model_config = ConfigDict(frozen=True)

    job: str
    kind: Kind
    attempt: int
    spec: dict[str, Any]
    source: Source | None = None
    trace: str | None = None
    since: float | None = None


class Question(BaseModel):
    """A probe of a trained network. A newer question of the same `lane` makes this one idle;
    after `until` (Unix seconds) nobody waits for an answer."""

    model_config = ConfigDict(frozen=True)

    id: str
    lane: str | None
    source: Source
    probe: dict[str, Any]
    until: float


class Answer(BaseModel):
    """Measurements by name, in their JSON form; or why there are none."""

    model_config = ConfigDict(frozen=True)

    values: dict[str, Any] = {}
    code: str | None = None
    message: str = ""
    seconds: float = 0.0


class WorkerCard(BaseModel):
    """What a worker process says of itself, renewed every few seconds. To one that is `starting`
    jobs may be handed, which it begins within seconds. One that is `lost` takes no jobs: it is
    meant to have a device that it has not, and `reason` says so."""

    name: str
    pid: int
    host: str
    device: str
    kind: Literal["cpu", "cuda"] = "cpu"
    memory_bytes: int | None = None
    state: Literal["starting", "idle", "busy", "lost"]
    reason: str = ""
    job: str | None = None
    since: float
    seen: float
    flops_per_s: float | None = None


def artifact_path(data_dir: Path, job: str, attempt: int, name: str) -> Path:
    """Where an attempt's file lies; ValueError if the parts would lead out of the folder."""
    folder = (data_dir / "artifacts").resolve() / job / str(attempt)
    path = (folder / name).resolve()
    if path == folder or not path.is_relative_to(folder):
        raise ValueError(f"not an artifact's name: {name!r}")
    return path
