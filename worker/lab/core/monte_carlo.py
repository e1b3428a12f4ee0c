"""Networks with noise inside: in evaluation, the mean over a few draws that are always the same.

So such a network is a function like any other: attacks, calibration and Lipschitz measurements
need not know that it is random, and nothing that looks at it moves the dice of training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Average = Literal["probabilities", "logits"]


@dataclass
class Dice:
    """Which of the draws is looked at; None, in evaluation, for no noise at all."""

    draw: int | None = None

    def generator(self, layer: int, device: torch.device) -> torch.Generator:
        """The randomness of a layer in this draw, the same every time."""
        return torch.Generator(device).manual_seed(1_000_003 * (self.draw or 0) + layer)


class MonteCarlo(nn.Sequential):
    """A chain whose layers have noise that `dice` tells them of.

    Training passes draw from torch's global generator. In evaluation the outputs of `samples`
    draws are averaged: as probabilities (the logits are then the logarithm of their mean) or as
    logits; without samples the layers leave their noise out.
    """

    def __init__(self, chain: nn.Sequential, dice: Dice, samples: int, average: Average) -> None:
        super().__init__()
        for name, child in chain.named_children():
            self.add_module(name, child)
        self.dice, self.samples, self.average = dice, samples, average

    def forward(self, x: Tensor) -> Tensor:
        if self.training or not self.samples:
            return self._once(x)
        outputs = torch.stack([self._one(x, draw) for draw in range(self.samples)])
        if self.average == "logits":
            return outputs.mean(0)
        return outputs.log_softmax(2).logsumexp(0) - math.log(self.samples)

    def _one(self, x: Tensor, draw: int) -> Tensor:
        self.dice.draw = draw
        try:
            return self._once(x)
        finally:
            self.dice.draw = None

    def _once(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x)
        return x
