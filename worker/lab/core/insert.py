"""Modules put behind a network's layers."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from worker.lab.core.layers import BatchNorm, Weighted
from worker.lab.core.model import Residual

Make = Callable[[Weighted | BatchNorm], nn.Module | None]


def insert_behind(chain: nn.Sequential, make: Make) -> None:
    """Put what `make` gives behind every weight layer, or behind the batch normalisation folded
    into it, and behind every other batch normalisation: in place, in the order of a pass."""
    at = 0
    while at < len(chain):
        child = chain[at]
        if isinstance(child, Residual):
            insert_behind(child.branch, make)
            insert_behind(child.shortcut, make)
        elif isinstance(child, nn.Sequential):
            insert_behind(child, make)
        elif isinstance(child, Weighted | BatchNorm):
            folded = isinstance(child, Weighted) and isinstance(_after(chain, at), BatchNorm)
            at += folded
            made = make(child)
            if made is not None:
                at += 1
                chain.insert(at, made)
        at += 1


def _after(chain: nn.Sequential, at: int) -> nn.Module | None:
    return chain[at + 1] if at + 1 < len(chain) else None
