"""Weights as whole numbers of a few bits, one scale a tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.lab.core.balls import SLACK

MOST_BITS = 24
"""Beyond these float32 holds no difference."""


def codes(w: Tensor, bits: int) -> Tensor:
    """round(w / s) with s = max|w| / (2^(m−1) − 1): whole numbers of m bits, symmetric about 0."""
    return (w / _scale(w, bits)).round().long()


def decoded(code: Tensor, like: Tensor, bits: int) -> Tensor:
    """The weights that codes stand for, by the scale of `like`."""
    return code.to(like) * _scale(like, bits)


def quantised(w: Tensor, bits: int) -> Tensor:
    """The nearest of 2^m − 1 levels: it moves no weight by more than max|w| / (2^m − 2)."""
    return decoded(codes(w, bits), w, bits)


def bits_within(eps: float) -> int:
    """The fewest bits m ≥ 2 that move no weight by more than eps · max|w|: 1 / (2^m − 2) ≤ eps."""
    return min(max(2, math.ceil(math.log2(1 / eps + 2) - 1e-9)), MOST_BITS)


def flipped(code: Tensor, flips: Tensor, bits: int) -> Tensor:
    """Codes in two's complement, with the bits set in `flips` turned over."""
    raw = (code % 2**bits) ^ flips
    return torch.where(raw >= 2 ** (bits - 1), raw - 2**bits, raw)


def draw_flips(like: Tensor, bits: int, p: float, generator: torch.Generator) -> Tensor:
    """Whole numbers whose every one of `bits` bits is set with probability p."""
    flips = torch.zeros(like.shape, dtype=torch.long)
    for place in range(bits):
        flips += (torch.rand(like.shape, generator=generator) < p).long() << place
    return flips.to(like.device)


@dataclass(frozen=True)
class Flips:
    """Weights of m bits with a share of them turned over: p, give or take chance."""

    bits: int
    p: float

    def size(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> float:
        """The share of all bits that differ from the quantised weights."""
        count = sum(self._turned(w[name], at) for name, at in center.items())
        return count / (self.bits * sum(at.numel() for at in center.values()))

    def contains(self, w: Mapping[str, Tensor], center: Mapping[str, Tensor]) -> bool:
        """Whether all are levels of m bits, and no more bits differ than six deviations above p."""
        if self.p == 0:
            return all(torch.equal(w[name], at) for name, at in center.items())
        count = self.bits * sum(at.numel() for at in center.values())
        chance = 6 * math.sqrt(self.p * (1 - self.p) / count) + 1 / count
        levels = all(self._level(w[name], at) for name, at in center.items())
        return levels and self.size(w, center) <= self.p + chance

    def project(self, w: Tensor, center: Tensor) -> Tensor:
        return w

    def _level(self, w: Tensor, center: Tensor) -> bool:
        code = w / _scale(center, self.bits)
        near = bool(((code - code.round()).abs() <= 1e-3 + SLACK).all())
        half = 2 ** (self.bits - 1)
        return near and bool((code.round() >= -half).all() and (code.round() < half).all())

    def _turned(self, w: Tensor, center: Tensor) -> int:
        code = (w / _scale(center, self.bits)).round().long() % 2**self.bits
        differ = code ^ (codes(center, self.bits) % 2**self.bits)
        return sum(int((differ >> place & 1).sum()) for place in range(self.bits))


def _scale(w: Tensor, bits: int) -> float:
    return max(float(w.abs().amax()), 1e-30) / ((1 << (bits - 1)) - 1)
