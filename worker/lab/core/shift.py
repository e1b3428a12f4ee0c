"""Moving scale between the layers of a network without changing its function.

ReLU, pooling and linear layers are positively homogeneous. With W_l → c_l W_l and, by the
cumulative rule, b_l → (c_1 ⋯ c_l) b_l, the activations after layer l are c_1 ⋯ c_l times what
they were; where that product is back at 1 the function is the same (the rule is that of Theorem 1
of "Recovering Plasticity of Neural Networks via Soft Weight Rescaling"; scaling each bias by its
own layer's factor alone is wrong). In a tree (derived here):

- The last weight layer of a chain closes it: its factor is whatever brings the product back.
- Inside a residual block the branch and the projection are chains of their own, entered at the
  scale of the chain that they lie in, so that both paths return at the same scale.
- Batch normalisation right after a layer takes the layer's scale out again: its running mean and
  variance are scaled with it (exact but for ε), and what follows is entered at scale 1. A loose
  one is treated the same way.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, Layers, Weighted, chain
from worker.lab.core.model import Residual

TINY = 1e-9


@dataclass
class Shifted:
    """A copy of a network with scale moved, and the factor c_l that each layer got."""

    model: nn.Module
    factors: list[float]


def free_layers(model: nn.Module) -> list[bool]:
    """Which layers' factors may be chosen; the others close their chain."""
    free: list[bool] = []
    _mark(model, free)
    return free


def factors(model: nn.Module, log2: Sequence[float]) -> list[float]:
    """2^log2[l] for each layer, 1 where no exponent is given.

    Raises LabError("bad_spec") for more exponents than layers, and for one other than 0 at a layer
    that closes its chain: it could not be heeded.
    """
    free = free_layers(model)
    if len(log2) > len(free):
        raise LabError("bad_spec", f"log2: {len(log2)} given, {len(free)} weight layers")
    for place, exponent in enumerate(log2):
        if exponent and not free[place]:
            told = f"log2: layer {place + 1} closes its chain and takes what is left: give it 0"
            raise LabError("bad_spec", told)
    return [2.0**exponent for exponent in log2] + [1.0] * (len(free) - len(log2))


@torch.no_grad()
def shift(model: nn.Module, factors: Sequence[float]) -> Shifted:
    """The same function with W_l multiplied by factors[l] > 0, where that is free to choose.

    Raises LabError("bad_spec") for a wrong number of factors or one that is not positive.
    """
    if len(factors) != (count := len(Layers.of(model).modules)):
        raise LabError("bad_spec", f"factors: the network has {count} weight layers")
    if not all(factor > 0 for factor in factors):
        raise LabError("bad_spec", "factors: each must be above zero")
    twin = copy.deepcopy(model)
    mover = _Mover(list(factors), [])
    mover.chain(twin, 1.0, 1.0)
    return Shifted(twin, mover.used)


@dataclass
class _Mover:
    wanted: list[float]
    used: list[float]

    def chain(self, module: nn.Module, entry: float, leave: float) -> None:
        """Scale a chain entered at `entry` times the old activations, left at `leave` times."""
        links = list(chain(module))
        last = _closing(links)
        scale = entry
        for place, (link, fold) in enumerate(links):
            if isinstance(link, Residual):
                self.chain(link.branch, scale, scale)
                self.chain(link.shortcut, scale, scale)
            elif isinstance(link, Weighted):
                factor = leave / scale if place == last else self.wanted[len(self.used)]
                self.used.append(factor)
                scale = _scaled(link, factor, scale * factor)
                if fold is not None:
                    scale = _absorbed(fold, scale)
            elif isinstance(link, BatchNorm):
                scale = _absorbed(link, scale)
        if abs(scale - leave) > TINY * leave:
            raise LabError("bad_spec", "factors: batch normalisation fixes the scale in a block")


def _closing(links: Sequence[tuple[nn.Module, nn.Module | None]]) -> int | None:
    """The weight layer after which nothing takes out scale again."""
    for place in range(len(links) - 1, -1, -1):
        link, fold = links[place]
        if isinstance(link, BatchNorm) or fold is not None:
            return None
        if isinstance(link, Weighted):
            return place
    return None


def _mark(module: nn.Module, free: list[bool]) -> None:
    links = list(chain(module))
    last = _closing(links)
    for place, (link, _) in enumerate(links):
        if isinstance(link, Residual):
            _mark(link.branch, free)
            _mark(link.shortcut, free)
        elif isinstance(link, Weighted):
            free.append(place != last)


def _scaled(layer: Weighted, factor: float, after: float) -> float:
    layer.weight.mul_(factor)
    if layer.bias is not None:
        layer.bias.mul_(after)
    return after


def _absorbed(norm: BatchNorm, scale: float) -> float:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.mul_(scale)
    norm.running_var.mul_(scale * scale)
    return 1.0
