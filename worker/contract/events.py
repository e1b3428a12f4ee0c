"""What a running job tells: Started, Measured, Saved, Noted, Finished, Failed.

Each event carries the job, the attempt that told it and a sequence number. A `Measured` holds one
value or many and takes one number for each, so (job, attempt, seq) names every measurement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from worker.contract.measurement import Value, encoded, shape_of

DEVICE_FAILED = "device_failed"
"""Code of a `Failed` that is the GPU's fault: another process may do better."""


@dataclass(frozen=True, slots=True)
class Event:
    job: str
    attempt: int
    seq: int
    time: float

    @property
    def last_seq(self) -> int:
        return self.seq


@dataclass(frozen=True, slots=True)
class Started(Event):
    """An attempt began: where it runs and how much there is to do."""

    type: ClassVar[str] = "started"
    worker: str
    device: str
    steps: int
    epochs: float
    catalogue: str
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured(Event):
    """Values by measurement name, taken together at one step."""

    type: ClassVar[str] = "measured"
    step: int
    epoch: float
    values: Mapping[str, Value]

    @property
    def last_seq(self) -> int:
        return self.seq + len(self.values) - 1


@dataclass(frozen=True, slots=True)
class Saved(Event):
    """A file was written into the attempt's artifact folder under `name`."""

    type: ClassVar[str] = "saved"
    kind: Literal["checkpoint", "images", "table"]
    name: str
    bytes: int
    sha256: str
    step: int


@dataclass(frozen=True, slots=True)
class Noted(Event):
    """Something went wrong that the job survives: a code for programs, a sentence for people."""

    type: ClassVar[str] = "noted"
    code: str
    message: str
    step: int


@dataclass(frozen=True, slots=True)
class Finished(Event):
    """The job ended as asked: it succeeded, or it was cancelled and says how."""

    type: ClassVar[str] = "finished"
    state: Literal["succeeded", "cancelled"]
    step: int
    message: str = ""


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """The job cannot go on: a code for programs, a sentence for people."""

    type: ClassVar[str] = "failed"
    code: str
    message: str
    step: int | None = None
    details: str = ""


AnyEvent = Started | Measured | Saved | Noted | Finished | Failed


class Teller:
    """Numbers one attempt's events in the order they are told."""

    def __init__(self, job: str = "local", attempt: int = 1, worker: str = "local") -> None:
        self.job, self.attempt, self.worker = job, attempt, worker
        self.seq = 0

    def _next(self, count: int = 1) -> tuple[str, int, int, float]:
        first = self.seq + 1
        self.seq += count
        return self.job, self.attempt, first, time.time()

    def started(
        self, device: str, steps: int, epochs: float, catalogue: str, **info: Any
    ) -> Started:
        return Started(*self._next(), self.worker, device, steps, epochs, catalogue, info)

    def measured(
        self, step: int, epoch: float, values: Mapping[str, Value], time: float | None = None
    ) -> Measured:
        """`time` is when the step was taken, for values that left the device later."""
        job, attempt, seq, now = self._next(len(values))
        return Measured(job, attempt, seq, now if time is None else time, step, epoch, values)

    def saved(
        self,
        kind: Literal["checkpoint", "images", "table"],
        name: str,
        bytes: int,
        sha256: str,
        step: int,
    ) -> Saved:
        return Saved(*self._next(), kind, name, bytes, sha256, step)

    def noted(self, code: str, message: str, step: int) -> Noted:
        return Noted(*self._next(), code, message, step)

    def finished(
        self, step: int, state: Literal["succeeded", "cancelled"] = "succeeded", message: str = ""
    ) -> Finished:
        return Finished(*self._next(), state, step, message)

    def failed(self, code: str, message: str, step: int | None = None, details: str = "") -> Failed:
        return Failed(*self._next(), code, message, step, details)


def to_json(event: AnyEvent) -> dict[str, Any]:
    """The event as the wire and the JSON lines file carry it: plain JSON values and a `type`."""
    if isinstance(event, Measured):
        return {
            "type": event.type,
            "job": event.job,
            "attempt": event.attempt,
            "seq": event.seq,
            "time": event.time,
            "step": event.step,
            "epoch": event.epoch,
            "values": {name: encoded(value) for name, value in event.values.items()},
        }
    return {"type": event.type, **asdict(event)}


def measurements(event: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The measurements of a `measured` event in its JSON form, one row each, as REST shows them."""
    for offset, (name, value) in enumerate(event["values"].items()):
        yield {
            "name": name,
            "seq": event["seq"] + offset,
            "attempt": event["attempt"],
            "step": event["step"],
            "epoch": event["epoch"],
            "time": event["time"],
            "shape": shape_of(value),
            "value": value,
        }
