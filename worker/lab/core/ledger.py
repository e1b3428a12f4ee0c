"""Values on their way off the device: kept as tensors, told in batches, watched for divergence."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor

from worker.contract.events import Measured, Teller
from worker.contract.measurement import Value
from worker.lab.core.errors import Diverged

T = TypeVar("T")
Terms = Mapping[str, Tensor | float]
Readings = Mapping[str, Value | Tensor]
FLUSH_S = 0.05
"""How long values wait: a look at a few costs as much as at one, and reading one from a CUDA
device makes the host wait for all before it."""


@dataclass(slots=True)
class _Entry:
    step: int
    terms: Terms
    readings: Readings | None
    time: float


@dataclass
class Ledger:
    """The losses of every step since the last flush, and the readings of the measured ones."""

    tell: Teller
    steps_per_epoch: int
    _entries: list[_Entry] = field(default_factory=list)
    _flushed: float = 0.0

    def note(self, step: int, terms: Terms, readings: Readings | None) -> None:
        """Remember a step: losses by name, each (B,) or one number; readings if measured."""
        self._entries.append(
            _Entry(step, terms, readings, time.time() if readings is not None else 0.0)
        )

    def due(self) -> bool:
        return time.perf_counter() - self._flushed >= FLUSH_S

    @property
    def points(self) -> int:
        """How many measured steps wait."""
        return sum(entry.readings is not None for entry in self._entries)

    def flush(self) -> Iterator[Measured]:
        """Tell what was measured, in order, and forget it.

        Raises Diverged at the first step with a loss that is not finite, once it is told.
        """
        entries, self._entries = self._entries, []
        whole = _finite(entries)
        told = [e for e in entries if e.readings is not None or not (whole or _finite([e]))]
        for entry, terms, values in _fetch(told):
            yield self._measured(entry, terms, values)
            for name, value in terms.items():
                if not math.isfinite(value):
                    raise Diverged(name, entry.step, value)
        self._flushed = time.perf_counter()

    def _measured(
        self, entry: _Entry, terms: dict[str, float], values: dict[str, Value]
    ) -> Measured:
        total = sum(value for name, value in terms.items() if name.count("/") == 2)
        epoch, at = entry.step / self.steps_per_epoch, entry.time or time.time()
        return self.tell.measured(entry.step, epoch, terms | {"train/loss": total} | values, at)


def _finite(entries: list[_Entry]) -> bool:
    """Whether every loss is, by one look at the device."""
    losses = [loss for entry in entries for loss in entry.terms.values()]
    if not all(math.isfinite(loss) for loss in losses if isinstance(loss, float)):
        return False
    tensors = [
        loss if loss.dim() == 1 else loss.reshape(-1)  # a view costs more than the look
        for loss in losses
        if isinstance(loss, Tensor)
    ]
    return not tensors or bool(torch.cat(tensors).isfinite().all())


def _fetch(
    entries: list[_Entry],
) -> Iterator[tuple[_Entry, dict[str, float], dict[str, Value]]]:
    """Each entry's mean losses and its readings; all leave the device in one transfer."""
    ahead = [
        value.float().mean()
        for entry in entries
        for value in (*entry.terms.values(), *(entry.readings or {}).values())
        if isinstance(value, Tensor)
    ]
    arrived = iter(torch.stack(ahead).tolist() if ahead else [])
    for entry in entries:
        terms: dict[str, float] = _read(entry.terms, arrived)
        readings: dict[str, Value] = _read(entry.readings or {}, arrived)
        yield entry, terms, readings


def _read(values: Mapping[str, T | Tensor], arrived: Iterator[T]) -> dict[str, T]:
    """With the next that arrived in the place of every tensor."""
    return {
        name: next(arrived) if isinstance(value, Tensor) else value
        for name, value in values.items()
    }
