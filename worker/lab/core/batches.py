"""Mini-batches out of memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from worker.lab.core.task import Split

GATHERED_BYTES = 4 * 2**20
"""Inputs are gathered this much at a time and cut by views: cheaper than an index a batch, and
small enough to stay in a processor's cache."""


def batches(split: Split, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch in an order drawn from a CPU generator; the last batch may be smaller."""
    order = torch.randperm(len(split), generator=generator).to(split.y.device)
    each = max(1, split.x[0].numel() * split.x.element_size())
    chunk = max(1, GATHERED_BYTES // (each * size)) * size
    for part in torch.split(order, chunk):
        yield from zip(
            torch.split(split.x[part], size), torch.split(split.y[part], size), strict=True
        )
