"""Two interleaved half circles, before they are scaled: what the data sets of moons share."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def half_circles(count: int, noise: float, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Points (N, 2) and labels (N,): class 0 is (cos t, sin t), class 1 is (1 − cos t, ½ − sin t),
    t uniform in [0, π], plus Gaussian noise of that standard deviation."""
    y = torch.arange(count) % 2
    t = math.pi * torch.rand(count, generator=dice)
    upper = torch.stack([t.cos(), t.sin()], 1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    points = torch.where(y[:, None] == 0, upper, lower)
    return points + noise * torch.randn(count, 2, generator=dice), y
