"""A loss on weights whose gradient is known in closed form.

Autograd would build and walk a graph of a dozen nodes a layer; a few foreach operations give the
same gradient for about a tenth of an MLP's step. Its engine's way to them and back takes as long
again, so that a training step goes past it: `settle`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Term = tuple[list[Tensor], list[float]]
"""A tensor for each weight, and its factor. A number more or less costs nothing, a tensor of one
costs a step of a small network half a per cent for every operation."""

MOST = torch.finfo(torch.float32).max
"""A factor beyond is infinite: of a training that has diverged."""

Gradients = Callable[[], list[Term]]
"""The gradients of the weights: a sum of terms, which a training step adds to what it has without
making them first."""


@dataclass(frozen=True, eq=False)
class Penalty:
    """The number `value` as a loss on `weights`, with its gradients."""

    value: float
    gradients: Gradients
    weights: list[Tensor]

    def loss(self) -> Tensor:
        """For autograd."""
        value = self.weights[0].detach().new_tensor(self.value)
        loss: Tensor = _Closed.apply(value, self.gradients, *self.weights)  # type: ignore[no-untyped-call]
        return loss

    @property
    def settles(self) -> bool:
        """Whether `settle` can do what a backward pass from `loss` would: the weights are
        parameters themselves."""
        return all(weight.is_leaf and weight.requires_grad for weight in self.weights)


class _Closed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Gradients, *weights: Tensor) -> Tensor:
        ctx.gradients, ctx.weights = gradients, weights
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return None, None, *torch._foreach_mul(total(ctx.gradients()), outer[0])


@torch.no_grad()
def settle(penalties: list[Penalty]) -> None:
    """Add their gradients to what a backward pass left in the weights' `grad`: a tensor that
    several want, such as the weight itself, once."""
    sums: defaultdict[tuple[Tensor, Tensor], float] = defaultdict(float)
    for penalty in penalties:
        for tensors, factors in penalty.gradients():
            for weight, tensor, factor in zip(penalty.weights, tensors, factors, strict=True):
                sums[weight, tensor] += factor
    for (weight, tensor), factor in sums.items():
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.add_(tensor, alpha=factor if abs(factor) < MOST else factor * math.inf)


def total(terms: list[Term]) -> list[Tensor]:
    """Each weight's gradient by itself."""
    first, *others = (list(torch._foreach_mul(*term)) for term in terms)
    for other in others:
        torch._foreach_add_(first, other)
    return first


def whole(gradients: list[Tensor]) -> Term:
    """Gradients that are made already, as a term."""
    return gradients, [1.0] * len(gradients)


def numbers(scalars: Sequence[Tensor]) -> list[float]:
    """Of tensors of one number each, with one wait for a GPU."""
    return torch.stack(list(scalars)).tolist()
