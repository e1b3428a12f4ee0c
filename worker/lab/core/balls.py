"""Where an adversary may go: balls about inputs, cut by the box [0, 1], and balls about weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from worker.lab.core import l1

Norm = Literal["linf", "l2"]
InputNorm = Literal["linf", "l2", "l1"]

SLACK = 1e-6
"""Rounding that membership forgives: relative to eps and, for x in [0, 1], absolute."""

_CUTS = 8
"""Rounds of the exact l2 projection; each round fixes the coordinates that met the box."""


_ROW = 4096


@dataclass(frozen=True)
class Ball:
    """{x : ‖x − c‖ ≤ eps} ∩ [0, 1]^d for each example c of a batch (B, *shape), in input units.

    linf bounds the largest change of any coordinate, l2 the Euclidean length of the change, l1
    the sum of all changes.
    """

    norm: InputNorm
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
        l1: as in core/l1.py.
        """
        if self.norm == "linf":
            low, high = (center - self.eps).clamp_(0, 1), (center + self.eps).clamp_(0, 1)
            return torch.minimum(torch.maximum(x, low), high)
        if self.norm == "l2":
            return _project_l2(x, center, self.eps)
        c = center.flatten(1)
        change = l1.project((x - center).flatten(1), -c, 1 - c, self.eps)
        return (c + change).clamp_(0, 1).view_as(x)

    def step(self, x: Tensor, gradient: Tensor, length: float) -> Tensor:
        """x moved by `length` in the direction of steepest ascent: sign(g), or g / ‖g‖₂; in l1 the
        coordinates of the largest |g| as far as the box lets them.

        An example without a gradient stays. The result is not projected.
        """
        if self.norm == "l1":
            flat, g = x.flatten(1), gradient.flatten(1).nan_to_num(0.0, 0.0, 0.0)
            return (flat + l1.steepest(g, -flat, 1 - flat, length)).view_as(x)
        return x + length * _steepest(gradient, self.norm)

    def start(self, center: Tensor, generator: torch.Generator) -> Tensor:
        """A point drawn uniformly from the ball about each example, cut by the box."""
        draw = torch.empty_like(center, device="cpu")
        if self.norm == "l1":
            draw = l1.draw(draw.flatten(1), generator).view_as(draw)
        else:
            draw = _drawn(draw, self.norm, generator)
        return self.project(center + self.eps * draw.to(center.device), center)


@dataclass(frozen=True)
class WeightBall:
    """A ball about every tensor of the weights: ‖w − w₀‖ ≤ eps, times ‖w₀‖ if relative."""

    norm: Norm
    eps: float
    relative: bool = True

    def radius(self, center: Tensor) -> float:
        """What a tensor may move."""
        return self.eps * self._scale(center)

    def size(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> float:
        """The largest move of any tensor, in the units of eps."""
        moved = ((_norm(w[name] - at, self.norm), self._scale(at)) for name, at in center.items())
        return max((length / (scale or 1.0) for length, scale in moved), default=0.0)

    def contains(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> bool:
        """Whether every tensor is finite and in its ball, up to rounding."""
        return all(
            bool(w[name].isfinite().all())
            and _norm(w[name] - at, self.norm) <= self.radius(at) * (1 + 1e-5) + SLACK
            for name, at in center.items()
        )

    def project(self, w: Tensor, center: Tensor) -> Tensor:
        """The nearest point of one tensor's ball."""
        radius, change = self.radius(center), w - center
        if self.norm == "linf":
            return center + change.clamp(-radius, radius)
        return center + change * min(1.0, radius / max(_norm(change, "l2"), 1e-30))

    def start(self, center: Tensor, generator: torch.Generator) -> Tensor:
        """A point drawn uniformly from one tensor's ball."""
        draw = _drawn(torch.empty_like(center[None], device="cpu"), self.norm, generator)[0]
        return self.project(center + self.radius(center) * draw.to(center.device), center)

    def move(self, w: Tensor, gradient: Tensor, center: Tensor, lr: float) -> Tensor:
        """One tensor, a step of `lr` radii along steepest ascent, projected into its ball."""
        return self.project(
            w + lr * self.radius(center) * _steepest(gradient[None], self.norm)[0], center
        )

    def _scale(self, center: Tensor) -> float:
        return _norm(center, self.norm) if self.relative else 1.0


_ORDERS: dict[InputNorm, float] = {"linf": math.inf, "l2": 2, "l1": 1}


def _length(flat: Tensor, norm: InputNorm) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(flat, _ORDERS[norm], dim=1)
    return length


def _norm(tensor: Tensor, norm: Norm) -> float:
    """Of all entries; row by row, as float32 loses 0.2 % of the length of two million at once."""
    flat, order = tensor.detach().reshape(-1), _ORDERS[norm]
    whole = len(flat) // _ROW * _ROW
    rows = torch.linalg.vector_norm(flat[:whole].view(-1, _ROW), order, dim=1)
    rest = torch.linalg.vector_norm(flat[whole:], order).view(1) if whole < len(flat) else flat[:0]
    return float(torch.linalg.vector_norm(torch.cat([rows, rest]), order)) if len(flat) else 0.0


def _drawn(draw: Tensor, norm: InputNorm, generator: torch.Generator) -> Tensor:
    """`draw` (B, …) filled with points uniform in the unit ball of linf or l2."""
    if norm == "linf":
        return draw.uniform_(-1, 1, generator=generator)
    draw.normal_(generator=generator)
    flat = draw.flatten(1)
    radius = torch.rand(len(flat), generator=generator) ** (1 / flat.shape[1])
    return draw * _wide(radius / flat.norm(dim=1).clamp_min(1e-30), draw)


def _steepest(gradient: Tensor, norm: InputNorm) -> Tensor:
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
