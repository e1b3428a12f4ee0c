"""The examples under attack: what an attack may ask of the network, and a record of what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.ascend import Rise, rise
from worker.lab.core.balls import Ball
from worker.lab.core.errors import LabError
from worker.lab.core.point import Point, look

Loss = Literal["ce", "margin"]


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """max_{j≠y} z_j − z_y (B,): above zero once an example is fooled; it never saturates."""
    others = logits.scatter(1, y[:, None], -torch.inf)
    return others.amax(1) - logits.gather(1, y[:, None])[:, 0]


@dataclass
class Aim:
    """The loss of some examples as a function of a point, remembering the network's answer."""

    model: nn.Module
    y: Tensor
    loss: Loss
    logits: Tensor | None = None

    def __call__(self, point: Point) -> Tensor:
        logits = look(self.model, point)
        self.logits = logits.detach()
        if self.loss == "margin":
            return margin(logits, self.y)
        return F.cross_entropy(logits, self.y, reduction="none")


@dataclass
class Victim:
    """A batch x (B, *shape) with labels y (B,), the ball an attack must stay in, its randomness.

    `best` is the strongest input seen of each example: the first that fools, else the one of the
    largest margin. `fooled` are the network's answers as the search saw them. `losses` is the
    mean cross-entropy along the first climb. `gradients` were asked for, `zeros` of them were
    zero or not finite: a zero gradient tells an attack nothing.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    ball: Ball
    generator: torch.Generator
    losses: list[float] = field(default_factory=list)
    gradients: int = 0
    zeros: int = 0
    eval_mode: bool = True
    best: Tensor = field(init=False)
    fooled: Tensor = field(init=False)
    _margin: Tensor = field(init=False)
    _loss: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.x.clone()
        logits = self.look(self.x)
        if not bool(logits.isfinite().all()):
            raise LabError("bad_model", "the network's outputs on clean inputs are not finite")
        self.fooled = logits.argmax(1) != self.y
        self._margin = margin(logits, self.y)
        self._loss = F.cross_entropy(logits, self.y, reduction="none")

    @torch.no_grad()
    def look(self, x: Tensor) -> Tensor:
        """The logits (B, K) at some inputs."""
        logits = look(self.model, Point(x))
        self.eval_mode &= not any(module.training for module in self.model.modules())
        return logits

    def climb(self, start: Tensor, *, steps: int, lr: float, loss: Loss) -> Iterator[float]:
        """Climb from `start` by `steps` of lr · eps; an example once fooled is left alone.

        Yields the share of the climb done, after every look at the network.
        """
        first = not self.losses
        rows = (~self.fooled).nonzero()[:, 0]
        x, center, y = start[rows], self.x[rows], self.y[rows]
        for step in range(steps if self.ball.eps else 0):
            if not len(rows):
                break
            aim = Aim(self.model, y, loss)
            risen = rise(aim, Point(x), Point(center), inputs=self.ball, lr=lr)
            self.eval_mode &= not self.model.training
            stay = self._saw(rows, x, _answer(aim))
            self._count(risen)
            self._note(first)
            x = risen.point.x
            if not bool(stay.all()):
                rows, x, center, y = rows[stay], x[stay], center[stay], y[stay]
            yield (step + 1) / steps
        if len(rows):
            self._saw(rows, x, self.look(x))
        self._note(first)
        yield 1.0

    def _saw(self, rows: Tensor, x: Tensor, logits: Tensor) -> Tensor:
        """Keep what is stronger than before; returns which rows are not fooled yet."""
        y = self.y[rows]
        now = margin(logits, y)
        better = (now > self._margin[rows]) | (logits.argmax(1) != y)
        if bool(better.all()):
            self.best[rows], self._margin[rows] = x, now
        else:
            self.best[rows[better]], self._margin[rows[better]] = x[better], now[better]
        self.fooled[rows] = logits.argmax(1) != y
        self._loss[rows] = F.cross_entropy(logits, y, reduction="none")
        return ~self.fooled[rows]

    def _count(self, risen: Rise) -> None:
        if risen.gradient is not None:
            largest = risen.gradient.flatten(1).abs().amax(1)
            self.gradients += len(largest)
            self.zeros += int((~(largest > 0)).sum())

    def _note(self, first: bool) -> None:
        if first:
            self.losses.append(float(self._loss.mean()))


def _answer(aim: Aim) -> Tensor:
    if aim.logits is None:
        raise ValueError("the objective was never evaluated")
    return aim.logits
