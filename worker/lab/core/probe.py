"""The protocol of a probe: a question about a trained network that is answered while one waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from worker.contract.measurement import Value
from worker.contract.spec import TrainSpec
from worker.lab.core.errors import LabError
from worker.lab.core.registry import Spec
from worker.lab.core.task import Split, Task


@dataclass(frozen=True)
class Subject:
    """A trained network in eval mode, the task it learned, the spec that made it, and `peers`:
    other networks of the same task to set it beside. All on one device; shared between
    questions, so that an answer must leave them as they are."""

    model: nn.Module
    task: Task
    recipe: TrainSpec
    peers: Sequence[nn.Module] = ()

    def split(self, name: str) -> Split:
        """The task's split called "train" or "test"."""
        return self.task.train if name == "train" else self.task.test

    def example(self, name: str, index: int) -> Split:
        """One example of a split, as a batch of one. LabError("bad_spec") beyond its end."""
        return self._part(name, "index", index, 1)

    def examples(self, name: str, start: int, count: int) -> Split:
        """Examples of a split from a place on, fewer at its end. LabError("bad_spec") beyond."""
        return self._part(name, "start", start, count)

    def _part(self, name: str, field: str, at: int, count: int) -> Split:
        split = self.split(name)
        if at >= len(split):
            raise LabError("bad_spec", f"{field}: the {name} split has {len(split)} examples")
        return Split(split.x[at : at + count], split.y[at : at + count])


class Probe(Spec):
    """A question whose answer takes a fraction of a second: parameters in, measurements out."""

    kind: ClassVar[str] = "probe"

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        """The measurements by name. The same question has the same answer.

        Raises LabError("bad_spec", reason) for a question that makes no sense of this network.
        """
        raise NotImplementedError
