"""The examples under attack: what an attack may ask of the network, and a record of what it saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from worker.lab.core.ascend import slope
from worker.lab.core.attack_loss import LOSSES, Loss, ce, margin
from worker.lab.core.balls import Ball
from worker.lab.core.errors import LabError
from worker.lab.core.point import Point, look


@dataclass
class Aim:
    """The loss of some examples as a function of a point, remembering the network's answer."""

    model: nn.Module
    y: Tensor
    loss: Loss
    target: Tensor | None = None
    logits: Tensor | None = None

    def __call__(self, point: Point) -> Tensor:
        logits = look(self.model, point)
        self.logits = logits.detach()
        return LOSSES[self.loss](logits, self.y, self.target)

    @property
    def answer(self) -> Tensor:
        assert self.logits is not None, "the objective was never evaluated"
        return self.logits


@dataclass
class Victim:
    """A batch x (B, *shape) with labels y (B,), the ball an attack must stay in, its randomness.

    `best` is the strongest input seen of each example: the first that fools, else the one of the
    largest margin. `fooled` are the network's answers as the search saw them. `losses` is the
    mean cross-entropy along the first climb. `gradients` were asked for, `zeros` of them were
    zero or not finite: a zero gradient tells an attack nothing. `other` is a second network, for
    attacks that are made elsewhere. `asked` is the budget in the attack's own unit.
    """

    model: nn.Module
    x: Tensor
    y: Tensor
    ball: Ball
    generator: torch.Generator
    other: nn.Module | None = None
    asked: float = 0.0
    losses: list[float] = field(default_factory=list)
    gradients: int = 0
    zeros: int = 0
    eval_mode: bool = True
    best: Tensor = field(init=False)
    fooled: Tensor = field(init=False)
    clean: Tensor = field(init=False)
    _margin: Tensor = field(init=False)
    _loss: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.best = self.x.clone()
        self.clean = self.look(self.x)
        if not bool(self.clean.isfinite().all()):
            raise LabError("bad_model", "the network's outputs on clean inputs are not finite")
        self.fooled = self.clean.argmax(1) != self.y
        self._margin = margin(self.clean, self.y)
        self._loss = ce(self.clean, self.y)

    @property
    def standing(self) -> Tensor:
        """The rows that are not fooled yet; none where nothing may move."""
        rows: Tensor = (~self.fooled).nonzero()[:, 0]
        return rows if self.ball.eps else rows[:0]

    @torch.no_grad()
    def look(self, x: Tensor) -> Tensor:
        """The logits (B, K) at some inputs, of which nothing is kept."""
        logits = look(self.model, Point(x))
        self.eval_mode &= not any(module.training for module in self.model.modules())
        return logits

    def ask(self, rows: Tensor, x: Tensor) -> Tensor:
        """The logits (R, K) of some rows at x (R, *shape), and what is strong enough is kept."""
        logits = self.look(x)
        self._saw(rows, x, logits)
        return logits

    def slope(
        self, rows: Tensor, x: Tensor, loss: Loss, target: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss (R,) of some rows at x (R, *shape) and its gradient; kept as with `ask`."""
        aim = Aim(self.model, self.y[rows], loss, target)
        found = slope(aim, Point(x), inputs=True)
        assert found.x is not None
        self.eval_mode &= not self.model.training
        self._saw(rows, x, aim.answer)
        largest = found.x.flatten(1).abs().amax(1)
        self.gradients += len(largest)
        self.zeros += int((~(largest > 0)).sum())
        return found.loss, found.x

    def climb(
        self, start: Tensor, *, steps: int, lr: float, loss: Loss, momentum: float = 0.0
    ) -> Iterator[float]:
        """Climb from `start` by `steps` of lr · eps; an example once fooled is left alone.

        With momentum μ a step follows m ← μ m + g / ‖g‖₁ (arXiv:1710.06081) in place
        of the gradient g. Yields the share of the climb done, after every look at the network.
        """
        first, rows = not self.losses, self.standing
        x, pace = start[rows], torch.zeros_like(start[rows])
        for step in range(steps):
            if not len(rows):
                break
            _, gradient = self.slope(rows, x, loss)
            self.note(first)
            stay = ~self.fooled[rows]
            rows, x, gradient = rows[stay], x[stay], gradient[stay]
            pace = momentum * pace[stay] + unit(gradient) if momentum else gradient
            x = self.ball.step(x, pace, lr * self.ball.eps)
            x = self.ball.project(x, self.x[rows])
            yield (step + 1) / steps
        if len(rows):
            self.ask(rows, x)
        self.note(first)
        yield 1.0

    def note(self, first: bool) -> None:
        """Where a first climb stands."""
        if first:
            self.losses.append(float(self._loss.mean()))

    def targets(self, rank: int) -> Tensor:
        """The wrong class (B,) that is likeliest on the clean inputs, the next one, and so on."""
        wrong = self.clean.scatter(1, self.y[:, None], -torch.inf)
        return wrong.argsort(1, descending=True)[:, rank]

    @property
    def wrong_classes(self) -> int:
        return self.clean.shape[1] - 1

    def _saw(self, rows: Tensor, x: Tensor, logits: Tensor) -> None:
        """Keep what is stronger than before and inside."""
        y = self.y[rows]
        now, wrong = margin(logits, y), logits.argmax(1) != y
        inside = self.ball.contains(x, self.x[rows])
        better = ((now > self._margin[rows]) | wrong) & inside
        self.best[rows[better]], self._margin[rows[better]] = x[better], now[better]
        self.fooled[rows] = wrong & inside
        self._loss[rows] = ce(logits, y)


def unit(gradient: Tensor) -> Tensor:
    """g / ‖g‖₁ (B, *shape), zero where g is not finite; divided by its largest entry first, as
    sums of tiny numbers vanish."""
    flat = gradient.flatten(1).nan_to_num(0.0, 0.0, 0.0)
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(1e-38)
    return (flat / flat.abs().sum(1, keepdim=True).clamp_min(1e-12)).view_as(gradient)
