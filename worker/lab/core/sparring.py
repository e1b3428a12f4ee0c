"""Attacks as partners in training: who is fooled is not let off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from worker.lab.core.ascend import slope
from worker.lab.core.attack_loss import Loss, ce
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.point import Point, look
from worker.lab.core.victim import Aim, Victim


class _There(nn.Module):
    """A network at moved weights, which looking at leaves as it is."""

    def __init__(self, model: nn.Module, w: dict[str, Tensor]) -> None:
        super().__init__()
        self.model, self.w = model, w

    def forward(self, x: Tensor) -> Tensor:
        return look(self.model, Point(x, self.w), ahead=True)


@dataclass
class Sparring(Victim):
    """A batch that attacks climb to the end, as training wants it.

    In an evaluation an example once fooled is left alone, and the first input that fooled it is
    kept. Here none counts as fooled, and of what an attack asks about without climbing on, which
    is where a climb ends, the input of the largest cross-entropy is kept.
    """

    def __post_init__(self) -> None:
        self.best, self.clean = self.x.clone(), self.look(self.x)
        self.fooled = torch.zeros_like(self.y, dtype=torch.bool)
        self._loss = torch.full_like(self.clean[:, 0], -torch.inf)

    def slope(
        self, rows: Tensor, x: Tensor, loss: Loss, target: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        found = slope(Aim(self.model, self.y[rows], loss, target), Point(x), inputs=True)
        assert found.x is not None
        return found.loss, found.x

    def _saw(self, rows: Tensor, x: Tensor, logits: Tensor) -> None:
        now = ce(logits, self.y[rows])
        better = now > self._loss[rows]
        self.best[rows[better]], self._loss[rows[better]] = x[better], now[better]


def spar(
    attack: InputAttack, model: nn.Module, at: Point, y: Tensor, dice: torch.Generator
) -> Tensor:
    """Inputs (B, *shape) that an attack finds about `at.x`, against the network at `at.w`.

    The network stays in the mode it is in, and its running statistics as they are.
    """
    x, ball = at.x.detach(), attack.ball(attack.eps)
    if attack.idle(attack.eps):
        return x
    search = attack.search(Sparring(_There(model, at.w), x, y, ball, dice))
    while True:
        try:
            next(search)
        except StopIteration as end:
            found: Tensor = end.value
            return ball.project(found.detach(), x)
