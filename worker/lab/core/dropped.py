"""Dropout of units and channels whose draws can be repeated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from worker.lab.core.insert import insert_behind
from worker.lab.core.layers import BatchNorm, Layers, Unsteady, Weighted
from worker.lab.core.monte_carlo import Dice


class Drop(Unsteady):
    """Zeroes each unit or channel with chance `rate` and scales the rest by 1 / (1 − rate)."""

    def __init__(self, rate: float, dice: Dice, index: int) -> None:
        super().__init__()
        self.rate, self.dice, self.index = rate, dice, index

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            draws = torch.rand(x.shape[:2], device=x.device)
        elif self.dice.draw is None:
            return x
        else:
            dice = self.dice.generator(self.index, x.device)
            draws = torch.rand((1, x.shape[1]), generator=dice, device=x.device)
        kept = (draws >= self.rate).to(x.dtype) / (1 - self.rate)
        return x * kept.view(*kept.shape, *[1] * (x.dim() - 2))


def drop(model: nn.Sequential, rate: float) -> Dice:
    """Put dropout behind every hidden layer, in place; the dice that its draws in evaluation
    come from."""
    dice, last, count = Dice(), Layers.of(model).modules[-1], 0

    def behind(layer: Weighted | BatchNorm) -> Drop | None:
        nonlocal count
        if layer is last or isinstance(layer, BatchNorm):
            return None
        count += 1
        return Drop(rate, dice, count)

    insert_behind(model, behind)
    return dice
