"""Where an adversary may go: balls about inputs, cut by the box [0, 1], and balls about weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Norm = Literal["linf", "l2"]

SLACK = 1e-6
"""Rounding that membership forgives: relative to eps and, for x in [0, 1], absolute."""

_CUTS = 8
"""Rounds of the exact l2 projection; each round fixes the coordinates that met the box."""


@dataclass(frozen=True)
class Ball:
    """{x : ‖x − c‖ ≤ eps} ∩ [0, 1]^d for each example c of a batch (B, *shape), in input units.

    linf bounds the largest change of any coordinate, l2 the Euclidean length of the change.
    """

    norm: Norm
    eps: float

    def size(self, x: Tensor, center: Tensor) -> Tensor:
        """The length (B,) of each example's change."""
        return _length((x - center).flatten(1), self.norm)

    def contains(self, x: Tensor, center: Tensor) -> Tensor:
        """Whether each example (B,) is finite, in the ball and in the box, up to rounding."""
        inside = self.size(x, center) <= self.eps * (1 + 1e-5) + SLACK
        boxed = ((x >= -SLACK) & (x <= 1 + SLACK)).flatten(1).all(1)
        return inside & boxed & x.isfinite().flatten(1).all(1)

    def project(self, x: Tensor, center: Tensor) -> Tensor:
        """The nearest point (Euclidean) of ball and box.

        linf: coordinates are cut one by one. l2 [derived]: by its KKT conditions the projection
        is clip(c + s (x − c)) with one s ≤ 1 an example, found by fixing the coordinates that
        meet the box and rescaling the others; every round stays inside, so few are enough.
        """
        if self.norm == "linf":
            low, high = (center - self.eps).clamp_(0, 1), (center + self.eps).clamp_(0, 1)
            return torch.minimum(torch.maximum(x, low), high)
        return _project_l2(x, center, self.eps)

    def step(self, x: Tensor, gradient: Tensor, length: float) -> Tensor:
        """x moved by `length` in the direction of steepest ascent: sign(g), or g / ‖g‖₂.

        An example without a gradient stays. The result is not projected.
        """
        return x + length * _steepest(gradient, self.norm)

    def start(self, center: Tensor, generator: torch.Generator) -> Tensor:
        """A point drawn uniformly from the ball about each example, cut by the box."""
        draw = torch.empty_like(center, device="cpu")
        if self.norm == "linf":
            draw.uniform_(-1, 1, generator=generator)
        else:
            draw.normal_(generator=generator)
            flat = draw.flatten(1)
            radius = torch.rand(len(flat), generator=generator) ** (1 / flat.shape[1])
            scale = radius / flat.norm(dim=1).clamp_min(1e-30)
            draw = draw * _wide(scale, draw)
        return self.project(center + self.eps * draw.to(center.device), center)


@dataclass(frozen=True)
class WeightBall:
    """A ball about every tensor of the weights: ‖w − w₀‖ ≤ eps, times ‖w₀‖ if relative."""

    norm: Norm
    eps: float
    relative: bool = True

    def radius(self, center: Tensor) -> float:
        """What a tensor may move."""
        scale = float(_length(center.detach().reshape(1, -1), self.norm)) if self.relative else 1.0
        return self.eps * scale

    def contains(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> bool:
        """Whether every tensor is finite and in its ball, up to rounding."""
        return all(
            bool(w[name].isfinite().all())
            and float(_length((w[name] - at).detach().reshape(1, -1), self.norm))
            <= self.radius(at) * (1 + 1e-5) + SLACK
            for name, at in center.items()
        )

    def move(self, w: Tensor, gradient: Tensor, center: Tensor, lr: float) -> Tensor:
        """One tensor, a step of `lr` radii along steepest ascent, projected into its ball."""
        radius = self.radius(center)
        change: Tensor = w + lr * radius * _steepest(gradient[None], self.norm)[0] - center
        if self.norm == "linf":
            change = change.clamp(-radius, radius)
        else:
            change = change * min(1.0, radius / max(float(change.norm()), 1e-30))
        return center + change


def _length(flat: Tensor, norm: Norm) -> Tensor:
    order = math.inf if norm == "linf" else 2
    length: Tensor = torch.linalg.vector_norm(flat, order, dim=1)
    return length


def _steepest(gradient: Tensor, norm: Norm) -> Tensor:
    """The unit direction of each example's gradient; zero where it is zero or not finite."""
    if norm == "linf":
        direction: Tensor = gradient.sign().nan_to_num(0.0)
        return direction
    flat = gradient.flatten(1)
    # Scaled by the largest entry first: squares of tiny gradients would vanish in float32.
    flat = flat / flat.abs().amax(1, keepdim=True).clamp_min(1e-38)
    direction = flat / flat.norm(dim=1, keepdim=True).clamp_min(1e-12)
    return direction.nan_to_num(0.0, 0.0, 0.0).view_as(gradient)


def _project_l2(x: Tensor, center: Tensor, eps: float) -> Tensor:
    c, change = center.flatten(1), (x - center).flatten(1)
    low, high = -c, 1 - c
    moved = torch.minimum(torch.maximum(change, low), high)
    outside = moved.norm(dim=1) > eps
    if not bool(outside.any()):
        return (c + moved).clamp_(0, 1).view_as(x)
    scale = torch.where(outside, eps / change.norm(dim=1).clamp_min(1e-30), 1.0)
    for _ in range(_CUTS):
        moved = change * scale[:, None]
        cut = (moved < low) | (moved > high)
        moved = torch.minimum(torch.maximum(moved, low), high)
        spent = torch.where(cut, moved, 0.0).square().sum(1)
        free = torch.where(cut, 0.0, change).square().sum(1).clamp_min(1e-30)
        found = ((eps * eps - spent).clamp_min(0.0) / free).sqrt().clamp_max(1.0)
        if not bool((found > scale * (1 + 1e-6)).any()):
            break
        scale = torch.maximum(scale, found)
    moved = torch.minimum(torch.maximum(change * scale[:, None], low), high)
    return (c + moved).clamp_(0, 1).view_as(x)


def _wide(each: Tensor, like: Tensor) -> Tensor:
    """(B,) as (B, 1, …, 1), to be multiplied with a batch."""
    return each.view(-1, *[1] * (like.dim() - 1))
