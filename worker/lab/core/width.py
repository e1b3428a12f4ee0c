"""Networks of many widths in one: gates that keep the first groups of a layer's channels.

A gate stands behind every hidden weight layer, behind its batch normalisation where it has one:
what it closes is 0 from there on, so the network at a width is exactly the smaller network whose
layers lack the closed channels (core/slice.py makes that one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from worker.lab.core.errors import LabError
from worker.lab.core.insert import insert_behind
from worker.lab.core.layers import BatchNorm, Layers, Unsteady, Weighted
from worker.lab.core.model import Residual
from worker.lab.core.reestimate import reestimate
from worker.lab.core.task import Task

STATISTICS = 10_000
"""Training examples that batch normalisation is re-estimated on."""
Gated = Literal["hidden", "later_convolutions"]
"""All weight layers but the last; or convolutions alone, the first left out."""


@dataclass
class Width:
    """What the gates of a network have in common: the share of groups that is open everywhere.

    None is, in evaluation, `rest`, and in training whatever the gates draw. `drawn` is the share
    of the pass that is under way, for gates that draw together.
    """

    share: float | None = None
    rest: float = 1.0
    drawn: float = 1.0


class Gate(Unsteady, nn.Identity):
    """Keeps the first of `groups` equal groups of channels; the first `frozen` are always open.

    `index` is its place in the network. What it lets through in training is for subclasses.
    """

    def __init__(self, channels: int, groups: int, frozen: int, index: int, width: Width) -> None:
        super().__init__()
        self.channels, self.groups = channels, min(groups, channels)
        self.frozen = min(frozen, self.groups)
        self.index, self.width = index, width

    def kept(self, share: float) -> int:
        """How many channels are open at a width; one at least."""
        return self.channels_of(max(round(share * self.groups), self.frozen, 1))

    def channels_of(self, groups: int) -> int:
        """In the first so many groups, which differ by one channel where they cannot be equal."""
        return -(-groups * self.channels // self.groups)

    def forward(self, x: Tensor) -> Tensor:
        share = self.width.share
        if share is None and self.training:
            return self.sampled(x)
        return self.narrowed(x, self.width.rest if share is None else share)

    def sampled(self, x: Tensor) -> Tensor:
        """x as training sees it."""
        return x

    def narrowed(self, x: Tensor, share: float) -> Tensor:
        """x (B, C, …) with the channels zero that are closed at a width."""
        kept = self.kept(share)
        if kept == self.channels:
            return x
        mask = (torch.arange(self.channels, device=x.device) < kept).to(x.dtype)
        return x * shaped(mask, x)


class Follower(Gate):
    """Keeps what its leader keeps, behind batch normalisation that is folded into no weight
    layer: it would turn zeros into something else."""

    def __init__(self, channels: int, leader: Gate) -> None:
        super().__init__(channels, leader.groups, leader.frozen, leader.index, leader.width)
        self._leader = (leader,)  # in a tuple, so that it is no child

    def kept(self, share: float) -> int:
        (leader,) = self._leader
        return leader.kept(share) * self.channels // leader.channels


def shaped(mask: Tensor, like: Tensor) -> Tensor:
    """(C,) to multiply (B, C, …) with."""
    return mask.view(1, -1, *[1] * (like.dim() - 2))


def gates(model: nn.Module) -> list[Gate]:
    return [module for module in model.modules() if isinstance(module, Gate)]


@contextmanager
def at_width(model: nn.Module, share: float | None) -> Iterator[None]:
    """The network with this share of every gated layer open, in training and in evaluation."""
    widths = list({id(found.width): found.width for found in gates(model)}.values())
    before = [width.share for width in widths]
    for width in widths:
        width.share = share
    try:
        yield
    finally:
        for width, old in zip(widths, before, strict=True):
            width.share = old


Maker = Callable[[int, int, int, int, Width], Gate]


def gate(
    model: nn.Module, gated: Gated = "hidden", groups: int = 32, frozen: int = 0, make: Maker = Gate
) -> list[tuple[Weighted, Gate]]:
    """Put gates into a network, in place; `make` takes what a Gate does. Which layer has which.

    Raises LabError("bad_spec") where there is nothing to gate.
    """
    if not isinstance(model, nn.Sequential):
        raise LabError("bad_spec", "only a chain of layers can be narrowed")
    chosen, width = _chosen(model, gated), Width()
    made: list[tuple[Weighted, Gate]] = []

    def behind(layer: Weighted | BatchNorm) -> Gate | None:
        if isinstance(layer, BatchNorm):
            return Follower(layer.num_features, made[-1][1]) if made else None
        if id(layer) in chosen:
            made.append((layer, make(len(layer.weight), groups, frozen, len(made), width)))
            return made[-1][1]
        return None

    insert_behind(model, behind)
    return made


def _chosen(model: nn.Module, gated: Gated) -> set[int]:
    weighted = Layers.of(model).modules
    if gated == "hidden":
        found = list(weighted[:-1])
    elif any(isinstance(module, Residual) for module in model.modules()):
        raise LabError("bad_spec", "a residual network can only be narrowed in all hidden layers")
    else:
        found = [module for module in weighted[1:] if isinstance(module, nn.Conv2d)]
    if not found:
        raise LabError("bad_spec", "the network has no layer of this kind to narrow")
    return {id(module) for module in found}


def settle(model: nn.Module, task: Task) -> None:
    """Re-estimate batch normalisation at the width that is open: in training it mixed widths."""
    reestimate(model, task.train.head(STATISTICS).x)
