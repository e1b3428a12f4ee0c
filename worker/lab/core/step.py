"""One training step, as methods see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from worker.lab.core.group import Part
from worker.lab.core.point import Point, look
from worker.lab.core.task import Task


@dataclass
class Step:
    """The batch, the point where losses are taken, and the network's answer there.

    `clean` is the batch as drawn at the model's own weights; `point` is `clean` until a method
    moves it. `index` counts from 0 to `steps` − 1, `epoch` is how many steps an epoch has.
    `generator` is the run's own source of randomness, on the CPU. `memo` is where a method may
    keep what it needs until the step ends. `ahead` marks a look that must leave no trace in the
    model. `optimizer` is for who must keep its memory in step with the weights. `part` says which
    examples of a batch these are, where processes share it.
    """

    model: nn.Module
    task: Task
    index: int
    steps: int
    y: Tensor
    clean: Point
    point: Point
    generator: torch.Generator
    memo: dict[str, Any] = field(default_factory=dict)
    ahead: bool = False
    epoch: int = 1
    optimizer: torch.optim.Optimizer | None = None
    part: Part | None = None
    _logits: Tensor | None = None

    @property
    def logits(self) -> Tensor:
        """(B, K), at `point`, computed once."""
        if self._logits is None:
            self._logits = self.look(self.point)
        return self._logits

    def look(self, point: Point) -> Tensor:
        """The logits (B, K) at another point."""
        return look(self.model, point, self.ahead)

    def move(self, point: Point) -> None:
        """Take the losses elsewhere."""
        if point is not self.point:
            self.point, self._logits = point, None
