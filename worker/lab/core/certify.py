"""Certificates: what a network's answer cannot become while its weights and inputs move.

Weights are the entries of weight matrices and kernels, with the layers' own biases where these
move too; batch normalisation keeps its parameters and running statistics. Bounds are exact up to
rounding; see core/reach.py for the recursions and their proofs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from worker.lab.core.affine import Affine, channels
from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, Layers, Weighted, chain
from worker.lab.core.model import AvgPool, Normalize, Residual
from worker.lab.core.point import Point
from worker.lab.core.reach import Box, Product, Reach, Vector

Bound = Literal["P", "V", "I"]
RULES: dict[Bound, type[Reach]] = {"P": Product, "V": Vector, "I": Box}
Eps = tuple[float, float]
Links = Iterator[tuple[nn.Module, BatchNorm | None]]


@dataclass(frozen=True)
class Limits:
    """|ΔW_l| ≤ weights[l] and |Δb_l| ≤ biases[l] entry by entry, in the order of Layers;
    |Δx| ≤ inputs, x in [0, 1]."""

    weights: tuple[float, ...]
    biases: tuple[float, ...]
    inputs: float = 0.0

    @classmethod
    def even(cls, layers: Layers, eps: float, biases: bool = True, inputs: float = 0.0) -> Limits:
        """The same for every layer."""
        count = len(layers.modules)
        return cls((eps,) * count, (eps * biases,) * count, inputs)

    @classmethod
    def relative(
        cls, layers: Layers, eps: float, biases: bool = True, inputs: float = 0.0
    ) -> Limits:
        """eps times the largest entry of each weight, and of each bias."""
        offsets = [module.bias if biases else None for module in layers.modules]
        return cls(
            tuple(eps * float(weight.detach().abs().max()) for weight in layers.weights),
            tuple(0.0 if b is None else eps * float(b.detach().abs().max()) for b in offsets),
            inputs,
        )

    def times(self, factor: float) -> Limits:
        """All of it smaller or larger."""
        return Limits(
            tuple(factor * eps for eps in self.weights),
            tuple(factor * eta for eta in self.biases),
            factor * self.inputs,
        )

    def only(self, layer: int) -> Limits:
        """Of one layer's weights alone."""
        keep = [float(place == layer) for place in range(len(self.weights))]
        return Limits(
            tuple(k * eps for k, eps in zip(keep, self.weights, strict=True)),
            tuple(k * eta for k, eta in zip(keep, self.biases, strict=True)),
        )


@dataclass(frozen=True)
class Certificate:
    """The network's logits in evaluation (B, K), and `worst` (B, K): what f^j − f^y cannot exceed
    anywhere within the limits, 0 at j = y."""

    logits: Tensor
    worst: Tensor
    y: Tensor

    @property
    def tau(self) -> Tensor:
        """By how much each f^j − f^y can grow, (B, K)."""
        return self.worst - self.logits + self.logits.gather(1, self.y[:, None])

    @property
    def holds(self) -> Tensor:
        """Whether the answer is y everywhere within the limits, (B,)."""
        return (self.worst.scatter(1, self.y[:, None], -torch.inf) < 0).all(1)

    @property
    def loss(self) -> Tensor:
        """What cross-entropy cannot exceed: CE(f + τ, y), (B,)."""
        return F.cross_entropy(self.worst, self.y, reduction="none")


def certify(
    model: nn.Module, x: Tensor, y: Tensor, limits: Limits, bound: Bound = "V"
) -> Certificate:
    """A certificate for each example of a batch, differentiable in weights and inputs.

    The network is taken as in evaluation (batch normalisation by running statistics, no dropout)
    whatever its mode. Raises LabError("bad_spec") for a network that does not end in a linear
    layer or holds a module that no bound is known for.
    """
    *body, (head, fold) = chain(model)
    if not isinstance(head, nn.Linear) or fold is not None:
        raise LabError("bad_spec", "a certificate needs a network that ends in a linear layer")
    each = iter(zip(limits.weights, limits.biases, strict=True))
    reach = _walk(iter(body), RULES[bound].start(x, limits.inputs), each)
    last = Affine.of(head, None)
    gaps = reach.gaps(last, *_limit(head, each), y)
    return Certificate(last(reach.z), gaps.scatter(1, y[:, None], 0.0), y)


def certify_at(
    model: nn.Module, point: Point, y: Tensor, limits: Limits, bound: Bound = "V"
) -> Certificate:
    """The same at a point whose weights may be moved."""
    if not point.w:
        return certify(model, point.x, y, limits, bound)
    moved = {f"model.{name}": value for name, value in point.w.items()}
    found: Certificate = functional_call(_Certified(model), moved, (point.x, y, limits, bound))
    return found


class _Certified(nn.Module):
    """A network whose forward pass is its certificate: functional_call can move its weights."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor, limits: Limits, bound: Bound) -> Certificate:
        return certify(self.model, x, y, limits, bound)


def _walk(links: Links, reach: Reach, each: Iterator[Eps]) -> Reach:
    for link, fold in links:
        reach = _pass(link, fold, reach, each)
    return reach


def _limit(module: Weighted, each: Iterator[Eps]) -> Eps:
    """A layer without a bias of its own has none to move."""
    eps, eta = next(each)
    return eps, eta if module.bias is not None else 0.0


def _pass(link: nn.Module, fold: BatchNorm | None, reach: Reach, each: Iterator[Eps]) -> Reach:
    match link:
        case nn.Linear() | nn.Conv2d():
            return reach.layer(Affine.of(link, fold), *_limit(link, each))
        case Residual():
            branch = _walk(chain(link.branch), reach, each)
            return branch.plus(_walk(chain(link.shortcut), reach, each))
        case Normalize():
            return reach.scaled(1 / link.std, -link.mean / link.std)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            wide = [channel.view(-1, *[1] * (reach.z.dim() - 2)) for channel in channels(link)]
            return reach.scaled(*wide)
        case nn.Dropout():
            return reach
        case nn.ReLU() | nn.MaxPool2d() | AvgPool() | nn.Flatten() | nn.Identity():
            return reach.through(link)
    raise LabError("bad_spec", f"no certificate is known for the layer {type(link).__name__}")
