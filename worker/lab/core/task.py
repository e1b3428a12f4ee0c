"""The data of a run, in memory on one device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Split:
    """Inputs (N, *shape) in [0, 1], float32, and labels (N,), int64."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device) -> Split:
        return Split(self.x.to(device), self.y.to(device))

    def head(self, limit: int) -> Split:
        """The first `limit` examples."""
        return Split(self.x[:limit], self.y[:limit])


@dataclass(frozen=True)
class Task:
    """Two splits of a data set, and what a model and a page must know about it.

    `mean` and `std` (one a channel, or one an input for points) are what the model subtracts and
    divides by, so that attacks and gradients live in the units of the inputs themselves.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    layout: Literal["image", "points"]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example: (channels, height, width), or (inputs,)."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device) -> Task:
        return replace(self, train=self.train.to(device), test=self.test.to(device))
