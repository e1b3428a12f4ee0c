"""Weights with multiplicative Gaussian noise: w ~ N(μ, α μ²), an α for each weight."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from worker.lab.core.layers import Unsteady, Weighted
from worker.lab.core.monte_carlo import Dice

TINY = 1e-12
CONVOLUTION = 0.7294, math.exp(0.5387), -0.2041, 0.3492
LINEAR = 0.792, 1.0, -0.4826, 0.3451
"""k, s, c, d of the authors' fits."""
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

    def forward(self, x: Tensor) -> Tensor:
        mean = self.map(x, self.weight, True)
        noise = self._noise(mean)
        if noise is None:
            return mean
        variance = self.map(x.square(), self.log_alpha.exp() * self.weight.square(), False)
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


def keep_within(layers: list[Noisy]) -> None:
    """Bring log α back into ±8, in place."""
    for layer in layers:
        layer.log_alpha.clamp_(-CLAMP, CLAMP)


class _Known(torch.autograd.Function):
    """Values whose slopes are known: one pass over the weights where autograd takes a dozen."""

    @staticmethod
    def forward(ctx: Any, log_alpha: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
        ctx.save_for_backward(slopes)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> Any:
        (slopes,) = ctx.saved_tensors
        return outer[0] * slopes, None, None


def _known(log_alpha: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
    found: Tensor = _Known.apply(log_alpha, values, slopes)  # type: ignore[no-untyped-call]
    return found


def released(log_alpha: Tensor, convolution: bool) -> Tensor:
    """KL of each weight from its prior, as the authors' code fits it: between a log-uniform prior
    and something that keeps α finite (its least is at α = 2.8 for convolutions, 6.0 for linear
    layers). ½ log(1 + 1/α) − k exp(−s (c + d log α)²)."""
    k, s, c, d = CONVOLUTION if convolution else LINEAR
    with torch.no_grad():
        inner = c + d * log_alpha
        bend = k * (-s * inner.square()).exp()
        values = 0.5 * F.softplus(-log_alpha) - bend
        slopes = 2 * s * d * bend * inner - 0.5 * torch.sigmoid(-log_alpha)
    return _known(log_alpha, values, slopes)


def log_uniform(log_alpha: Tensor) -> Tensor:
    """KL of each weight from a log-uniform prior (Molchanov, Ashukha, Vetrov, 2017: a fit)."""
    with torch.no_grad():
        bend = torch.sigmoid(1.87320 + 1.48695 * log_alpha)
        values = 0.5 * F.softplus(-log_alpha) + 0.63576 * (1 - bend)
        slopes = -0.63576 * 1.48695 * bend * (1 - bend) - 0.5 * torch.sigmoid(-log_alpha)
    return _known(log_alpha, values, slopes)
