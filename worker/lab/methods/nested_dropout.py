"""Channels in an order of importance, by dropping the last ones at random."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.method import Method
from worker.lab.core.task import Task
from worker.lab.core.width import Gate, Gated, gate, settle


class Dropping(Gate):
    """In training keeps the first so many groups, at random."""

    draws: Draws

    def sampled(self, x: Tensor) -> Tensor:
        if self.draws.each == "layer" or self.index == 0:
            self.width.drawn = self.draws.share()
        return self.narrowed(x, self.width.drawn)


class Draws:
    """Which of the groups are kept, as a share of all; from torch's global generator."""

    def __init__(self, groups: int, index: str, rate: float, each: str) -> None:
        self.groups, self.index, self.rate, self.each = groups, index, rate, each

    def share(self) -> float:
        u = float(torch.rand(()))
        if self.index == "uniform":
            return (1 + int(u * self.groups)) / self.groups
        kept = 1 + int(math.log1p(-u) / math.log(self.rate))  # P(kept ≥ k) = rate^(k−1)
        return min(kept, self.groups) / self.groups


class NestedDropout(Method):
    """Drop all channels after a random one, so that the first ones learn to do most of the work.

    Channels of every hidden layer are cut into `groups` equal groups; each training pass keeps the
    first k of them, k drawn from 1 … groups: uniform, or geometric, P(k) = rate^(k−1) (1 − rate),
    all that lies beyond the last group falling on the full width. One draw a pass for the whole
    network, or one a layer. The network can then be cut to any width: see `widths`.

    In evaluation all channels are kept, unscaled. Channels are dropped behind batch normalisation,
    so that they are 0 from there on. Its running statistics mix the widths; when training ends
    they are re-estimated at full width (derived here; the paper has none). Needs a loss to learn
    by, such as `cross_entropy`.

    Measured on MNIST (10,000 images, MLP 256-256 with batch normalisation, five epochs of SGD, one
    seed; right answers at 1/16, 1/4 and all of the channels): uniform 90.6, 94.9, 95.8 %;
    geometric 0.95 91.5, 94.8, 95.7; 0.9 91.9, 94.5, 94.8; 0.8 92.0, 94.2, 92.7; a network that was
    not trained for it 26.8, 78.7, 96.7.
    """

    title: ClassVar[str] = "Nested dropout"
    paper: ClassVar[str] = "Rippel, Gelbart, Adams, arXiv:1402.0915"
    invariant: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("hidden",)
    excludes: ClassVar[dict[str, str]] = {
        "bayesian_nested": "each decides which channels are open",
        "weight_perturbation": "its certificate is of the whole network, not of a random part",
    }

    gated: Gated = Field("hidden", description="which layers are narrowed; the last never is")
    groups: Annotated[int, Field(ge=1, le=1024)] = Field(32, description="of a layer's channels")
    index: Literal["uniform", "geometric"] = Field("uniform", description="law of what is kept")
    rate: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.95, description="geometric: the chance that the next group is kept too"
    )
    each: Literal["network", "layer"] = Field("network", description="who draws for itself")

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        draws = Draws(self.groups, self.index, self.rate, self.each)
        for _, made in gate(model, self.gated, self.groups, make=Dropping):
            assert isinstance(made, Dropping)
            made.draws = draws
        return model

    def finish(self, model: nn.Module, task: Task) -> None:
        settle(model, task)
