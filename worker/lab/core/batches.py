"""Mini-batches out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from worker.lab.core.augment import moved, moves
from worker.lab.core.task import Split

GATHERED_BYTES = 4 * 2**20
"""Inputs are gathered this much at a time and cut by views: cheaper than an index a batch, and
small enough to stay in a processor's cache."""


def batches(
    split: Split, size: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch but for its first `skip` batches, in an order that seed and epoch determine, and
    augmented as they determine, so that a resumed run needs no memory of it; the last batch may be
    smaller."""
    dice = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(split), generator=dice).to(split.y.device)
    drawn = None if split.augment == "none" else moves(split.x, split.augment, dice)
    return islice(_cut(split, size, order, drawn), skip, None)


def _cut(
    split: Split, size: int, order: Tensor, drawn: Tensor | None
) -> Iterator[tuple[Tensor, Tensor]]:
    each = max(1, split.x[0].numel() * split.x.element_size())
    chunk = max(1, GATHERED_BYTES // (each * size)) * size
    for begin in range(0, len(split), chunk):
        part = order[begin : begin + chunk]
        x = split.x[part]
        if drawn is not None:
            x = moved(x, drawn[begin : begin + chunk])
        yield from zip(torch.split(x, size), torch.split(split.y[part], size), strict=True)
