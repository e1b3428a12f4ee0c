"""One training step, as methods see it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.lab.core.point import Point, look
from worker.lab.core.task import Task


@dataclass
class Step:
    """The batch, the point where losses are taken, and the network's answer there.

    `clean` is the batch as drawn at the model's own weights; `point` is `clean` until a method
    moves it. `generator` is the run's own source of randomness, on the CPU.
    """

    model: nn.Module
    task: Task
    index: int
    y: Tensor
    clean: Point
    point: Point
    generator: torch.Generator
    _logits: Tensor | None = None

    @property
    def logits(self) -> Tensor:
        """(B, K), at `point`, computed once."""
        if self._logits is None:
            self._logits = look(self.model, self.point)
        return self._logits

    def move(self, point: Point) -> None:
        """Take the losses elsewhere."""
        if point is not self.point:
            self.point, self._logits = point, None
