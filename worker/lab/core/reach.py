"""How far activations can be driven when weights and inputs move: three recursions.

Derived here (no text of arXiv:2103.02200 or 2102.11935 beyond the abstracts was available). All
weights move at once, every entry of W_l by ε_l at most, of b_l by η_l, of the input by ε_x; ẑ are
the activations then, z the clean ones, s the gain of a folded batch normalisation, g = max |s|.

Product (P). δ ≥ max |ẑ − z|. Since (W + Δ)ẑ − Wz = (W + Δ)(ẑ − z) + Δz,
    δ ← (R + g ε d) δ + g (ε ‖z‖₁ + η),    R = max_a Σ_b |W_ab|, d the fan-in.
Vector (V). v ≥ |ẑ − z| entry by entry. Since (W + Δ)ẑ − Wz = W(ẑ − z) + Δẑ, |ẑ| ≤ |z| + v,
    v ← |W| v + |s| (ε (‖z‖₁ + ‖v‖₁) + η).
Box (I). low ≤ ẑ ≤ high. For one entry w of W and e = |s| ε, the largest (w ± e) z is
w z + e |z|, convex in z: its maximum over [l, h] is at an end,
    max = w c + e m + |w r + e t|,  c, r = (h ± l)/2,  m, t = (|h| ± |l|)/2,  |t| ≤ r,
and |w r + e t| is convex in t: at most (p |w + e| + n |w − e|), p, n = (r ± t)/2, with equality
unless the box straddles zero and |w| < e. The minimum is the mirror image: w c − e m − (p |w − e| +
n |w + e|). Inputs may have either sign. Where a box straddles zero, the bound |w| r + e |t| on the
same term holds too, and the smaller total of each output is taken: this one is V's.

All maps between weight layers are monotone and move max |·| of a difference by 1 at most (ReLU,
max and average pooling, flatten); batch normalisation on its own scales by |s|; the parts of a
residual block add. Hence I ⊆ z ± V and v ≤ δ.

The read-out bounds f̂^j − f̂^y, whose weights are M = W_j − W_y and move by 2ε, its bias by 2η.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from worker.lab.core.affine import Affine


class Reach(ABC):
    """What activations can become, along a forward pass of clean ones z (B, *)."""

    z: Tensor

    @classmethod
    @abstractmethod
    def start(cls, x: Tensor, eps: float) -> Self:
        """Inputs x in [0, 1] that move by eps."""

    @abstractmethod
    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        """scale · z + shift, by channel; neither moves."""

    @abstractmethod
    def through(self, module: nn.Module) -> Self:
        """A monotone map that stretches no difference: activation, pooling, flatten."""

    @abstractmethod
    def layer(self, layer: Affine, eps: float, eta: float) -> Self:
        """A weight layer whose entries move by eps, biases by eta."""

    @abstractmethod
    def plus(self, other: Self) -> Self:
        """The sum of a branch and its shortcut."""

    @abstractmethod
    def gaps(self, head: Affine, eps: float, eta: float, y: Tensor) -> Tensor:
        """At least every f̂^j − f̂^y that can be reached, (B, K); what it says at j = y is void."""


@dataclass(frozen=True)
class Product(Reach):
    """P: one number an example, δ (B,)."""

    z: Tensor
    delta: Tensor

    @classmethod
    def start(cls, x: Tensor, eps: float) -> Self:
        return cls(x, x.new_full((len(x),), eps))

    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        return type(self)(self.z * scale + shift, self.delta * scale.abs().max())

    def through(self, module: nn.Module) -> Self:
        return type(self)(module(self.z), self.delta)

    def layer(self, layer: Affine, eps: float, eta: float) -> Self:
        rows = layer.weight.abs().flatten(1).sum(1).max()
        mass = layer.mass(self.z).flatten(1).amax(1)
        moved = layer.gain.max() * (eps * (mass + layer.fan_in * self.delta) + eta)
        return type(self)(layer(self.z), rows * self.delta + moved)

    def plus(self, other: Self) -> Self:
        return type(self)(self.z + other.z, self.delta + other.delta)

    def gaps(self, head: Affine, eps: float, eta: float, y: Tensor) -> Tensor:
        weight = head.weight
        rows = (weight[:, None] - weight).abs().sum(2)[y]
        mass = self.z.abs().sum(1) + head.fan_in * self.delta
        tau = rows * self.delta[:, None] + 2 * (eps * mass + eta)[:, None]
        return _above(head(self.z), y) + tau


@dataclass(frozen=True)
class Vector(Reach):
    """V: one number an activation, v (B, *)."""

    z: Tensor
    v: Tensor

    @classmethod
    def start(cls, x: Tensor, eps: float) -> Self:
        return cls(x, torch.full_like(x, eps))

    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        return type(self)(self.z * scale + shift, self.v * scale.abs())

    def through(self, module: nn.Module) -> Self:
        return type(self)(module(self.z), module(self.v))

    def layer(self, layer: Affine, eps: float, eta: float) -> Self:
        mass = layer.mass(self.z.abs() + self.v)
        moved = layer.wide(layer.gain) * (eps * mass + eta)
        return type(self)(layer(self.z), layer.apply(self.v, layer.weight.abs()) + moved)

    def plus(self, other: Self) -> Self:
        return type(self)(self.z + other.z, self.v + other.v)

    def gaps(self, head: Affine, eps: float, eta: float, y: Tensor) -> Tensor:
        moved = 2 * (eps * (self.z.abs() + self.v).sum(1) + eta)
        spread = _rows(_pairs(head, y).abs(), self.v)
        return _above(head(self.z), y) + spread + moved[:, None]


@dataclass(frozen=True)
class Box(Reach):
    """I: an interval an activation, low and high (B, *)."""

    z: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def start(cls, x: Tensor, eps: float) -> Self:
        """Inputs stay in [0, 1]."""
        low, high = (x - eps).clamp_min(0), (x + eps).clamp_max(1)
        return cls(x, torch.minimum(low, x), torch.maximum(high, x))

    def scaled(self, scale: Tensor, shift: Tensor) -> Self:
        ends = self.low * scale + shift, self.high * scale + shift
        return type(self)(self.z * scale + shift, torch.minimum(*ends), torch.maximum(*ends))

    def through(self, module: nn.Module) -> Self:
        return type(self)(module(self.z), module(self.low), module(self.high))

    def layer(self, layer: Affine, eps: float, eta: float) -> Self:
        e, weight, parts = layer.steps(eps), layer.weight, _Parts.of(self.low, self.high)
        plus, minus = (weight + e).abs(), (weight - e).abs()
        center = layer(0.5 * (self.low + self.high))
        gain = layer.wide(layer.gain)
        even = gain * (eps * layer.mass(parts.m) + eta)
        up = even + layer.apply(parts.p, plus)
        down = even + layer.apply(parts.p, minus)
        if parts.signed:
            up = up + layer.apply(parts.n, minus)
            down = down + layer.apply(parts.n, plus)
            mass = layer.mass(torch.maximum(self.low.abs(), self.high.abs()))
            both = layer.apply(parts.p + parts.n, weight.abs()) + gain * (eps * mass + eta)
            up, down = torch.minimum(up, both), torch.minimum(down, both)
        return type(self)(layer(self.z), center - down, center + up)

    def plus(self, other: Self) -> Self:
        return type(self)(self.z + other.z, self.low + other.low, self.high + other.high)

    def gaps(self, head: Affine, eps: float, eta: float, y: Tensor) -> Tensor:
        pairs, parts, e = _pairs(head, y), _Parts.of(self.low, self.high), 2 * eps
        offsets = _above(head.bias.expand(len(y), -1), y)
        center = offsets + _rows(pairs, 0.5 * (self.low + self.high))
        up = _rows((pairs + e).abs(), parts.p) + (e * parts.m.sum(1) + 2 * eta)[:, None]
        if parts.signed:
            up = up + _rows((pairs - e).abs(), parts.n)
            mass = torch.maximum(self.low.abs(), self.high.abs()).sum(1)
            both = _rows(pairs.abs(), parts.p + parts.n) + (e * mass + 2 * eta)[:, None]
            up = torch.minimum(up, both)
        return center + up


@dataclass(frozen=True)
class _Parts:
    """m, p and n of every interval, and whether any n is not zero."""

    m: Tensor
    p: Tensor
    n: Tensor
    signed: bool

    @classmethod
    def of(cls, low: Tensor, high: Tensor) -> _Parts:
        p = 0.5 * (high.clamp_min(0) - low.clamp_min(0))
        n = 0.5 * (high.clamp_max(0) - low.clamp_max(0))
        return cls(0.5 * (low.abs() + high.abs()), p, n, bool((n > 0).any()))


def _above(logits: Tensor, y: Tensor) -> Tensor:
    """f^j − f^y, (B, K)."""
    return logits - logits.gather(1, y[:, None])


def _pairs(head: Affine, y: Tensor) -> Tensor:
    """W_j − W_y for every example, (B, K, d)."""
    return head.weight - head.weight[y][:, None]


def _rows(pairs: Tensor, z: Tensor) -> Tensor:
    """Σ_d pairs · z, (B, K)."""
    return (pairs @ z[:, :, None])[:, :, 0]
