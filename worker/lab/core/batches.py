"""Mini-batches out of memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from worker.lab.core.task import Split

GATHERED_BYTES = 4 * 2**20
"""Inputs are gathered this much at a time and cut by views: cheaper than an index a batch, and
small enough to stay in a processor's cache."""


def batches(
    split: Split, size: int, seed: int, epoch: int, skip: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch but for its first `skip` batches, in an order that seed and epoch determine, so
    that a resumed run needs no memory of it; the last batch may be smaller."""
    dice = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    order = torch.randperm(len(split), generator=dice).to(split.y.device)
    return islice(_cut(split, size, order), skip, None)


def _cut(split: Split, size: int, order: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    each = max(1, split.x[0].numel() * split.x.element_size())
    chunk = max(1, GATHERED_BYTES // (each * size)) * size
    for part in torch.split(order, chunk):
        yield from zip(
            torch.split(split.x[part], size), torch.split(split.y[part], size), strict=True
        )
