"""Weights with multiplicative Gaussian noise: w ~ N(μ, α μ²), an α for each weight."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.layers import Unsteady, Weighted
from worker.lab.core.monte_carlo import Dice

TINY = 1e-12
CLAMP = 8.0


class Noisy(Unsteady):
    """A weight layer whose outputs have the noise of its weights (local reparameterisation).

    out = μ·x + √((α μ²)·x²) ε, ε standard normal for every output: fresh in training; in
    evaluation that of the draw, the same for all examples.
    """

    weight: Tensor
    log_alpha: nn.Parameter
    dice: Dice
    index: int

    def map(self, x: Tensor, weight: Tensor, bias: bool) -> Tensor:
        """What the layer does with a weight, with or without its bias."""
        raise NotImplementedError

    @property
    def alpha(self) -> Tensor:
        return self.log_alpha.clamp(-CLAMP, CLAMP).exp()

    def forward(self, x: Tensor) -> Tensor:
        mean = self.map(x, self.weight, True)
        noise = self._noise(mean)
        if noise is None:
            return mean
        variance = self.map(x.square(), self.alpha * self.weight.square(), False)
        return mean + variance.clamp_min(TINY).sqrt() * noise

    def _noise(self, like: Tensor) -> Tensor | None:
        if self.training:
            return torch.randn_like(like)
        if self.dice.draw is None:
            return None
        dice = self.dice.generator(self.index, like.device)
        shape = (1, *like.shape[1:])
        return torch.randn(shape, generator=dice, device=like.device, dtype=like.dtype)


class NoisyLinear(Noisy, nn.Linear):
    def map(self, x: Tensor, weight: Tensor, bias: bool) -> Tensor:
        return F.linear(x, weight, self.bias if bias else None)


class NoisyConv2d(Noisy, nn.Conv2d):
    def map(self, x: Tensor, weight: Tensor, bias: bool) -> Tensor:
        out: Tensor = self._conv_forward(x, weight, self.bias if bias else None)
        return out


def add_noise(layer: Weighted, log_alpha: float, dice: Dice, index: int) -> None:
    """Make a weight layer noisy, in place: its parameters, buffers and place stay."""
    made: Any = layer
    made.__class__ = NoisyLinear if isinstance(layer, nn.Linear) else NoisyConv2d
    made.log_alpha = nn.Parameter(torch.full_like(layer.weight.detach(), log_alpha))
    made.dice, made.index = dice, index


def released(log_alpha: Tensor, convolution: bool) -> Tensor:
    """KL of each weight from its prior, as the authors' code fits it: between a log-uniform prior
    and something that keeps α finite (its least is at α = 2.8 for convolutions, 6.0 for linear
    layers)."""
    base = 0.5 * torch.log1p((-log_alpha).exp())
    if convolution:
        bend = (-(torch.tensor(0.5387).exp()) * (-0.2041 + 0.3492 * log_alpha).square()).exp()
        return base - 0.7294 * bend
    return base - 0.792 * (-(-0.4826 + 0.3451 * log_alpha).square()).exp()


def log_uniform(log_alpha: Tensor) -> Tensor:
    """KL of each weight from a log-uniform prior (Molchanov, Ashukha, Vetrov, 2017: a fit)."""
    base = 0.5 * torch.log1p((-log_alpha).exp())
    return base + 0.63576 - 0.63576 * torch.sigmoid(1.87320 + 1.48695 * log_alpha)
