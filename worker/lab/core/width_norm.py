"""Batch normalisation with statistics, scales and shifts of its own at each of a few widths."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import Tensor, nn

from worker.lab.core.layers import BatchNorm
from worker.lab.core.width import Width

Norm = nn.modules.batchnorm._BatchNorm


class WidthNorm(Norm):
    """At full width itself; at a smaller one another, the nearest that is no narrower."""

    narrow: nn.ModuleList
    shares: tuple[float, ...]
    width: Width

    def own(self, share: float | None) -> Norm:
        """The normalisation that is used at a width: one of `narrow`, or this."""
        for norm, has in zip(self.narrow, self.shares, strict=True):
            if share is not None and has >= share and isinstance(norm, Norm):
                return norm
        return self

    def forward(self, x: Tensor) -> Tensor:
        norm = self.own(self.width.share)
        out: Tensor = super().forward(x) if norm is self else norm(x)
        return out


class WidthNorm1d(WidthNorm, nn.BatchNorm1d):
    pass


class WidthNorm2d(WidthNorm, nn.BatchNorm2d):
    pass


def separate(norm: BatchNorm, shares: Sequence[float], width: Width) -> None:
    """Give a normalisation, in place, one of its own for every share below 1."""
    narrower = sorted(share for share in shares if share < 1)
    others = [copy.deepcopy(norm) for _ in narrower]
    norm.__class__ = WidthNorm1d if isinstance(norm, nn.BatchNorm1d) else WidthNorm2d
    assert isinstance(norm, WidthNorm)
    norm.narrow, norm.shares, norm.width = nn.ModuleList(others), tuple(narrower), width
