"""The data of a run, in memory on one device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from worker.lab.core.augment import Augment


@dataclass(frozen=True)
class Split:
    """Inputs (N, *shape) in [0, 1], float32, and labels (N,), int64.

    `augment` is what happens to images when training draws batches of them; nobody else sees it.
    """

    x: Tensor
    y: Tensor
    augment: Augment = "none"

    def __len__(self) -> int:
        return len(self.y)

    def to(self, device: torch.device) -> Split:
        return replace(self, x=self.x.to(device), y=self.y.to(device))

    def head(self, limit: int) -> Split:
        """The first `limit` examples."""
        return replace(self, x=self.x[:limit], y=self.y[:limit])

    def at(self, rows: Tensor) -> Split:
        """The examples of the given numbers (M,), in their order."""
        return replace(self, x=self.x[rows], y=self.y[rows])


@dataclass(frozen=True)
class Task:
    """Splits of a data set, and what a model and a page must know about it.

    `mean` and `std` (one a channel, or one an input for points) are what the model subtracts and
    divides by, so that attacks and gradients live in the units of the inputs themselves.
    `validation` is held out of the training data, if that was asked for. `extras` are tensors
    that some diagnostics need, by names that the data set's card tells.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    layout: Literal["image", "points"]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    validation: Split | None = None
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one example: (channels, height, width), or (inputs,)."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device) -> Task:
        return replace(
            self,
            train=self.train.to(device),
            test=self.test.to(device),
            validation=self.validation and self.validation.to(device),
            extras={name: tensor.to(device) for name, tensor in self.extras.items()},
        )
