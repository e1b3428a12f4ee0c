"""A loss on weights whose gradient is known in closed form.

Autograd would build and walk a graph of a dozen nodes a layer; a few foreach operations give the
same gradient for about a tenth of an MLP's step. Its engine's way to them and back takes as long
again, so that a training step goes past it: `settle`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Term = tuple[list[Tensor], Tensor | float]
"""A tensor for each weight, and a factor for each or for all."""

Gradients = Callable[[Tensor | float], list[Term]]
"""From the gradient of the loss's value (a scalar) to those of the weights: a sum of terms, which
a training step adds to what it has without making them first."""


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Gradients, *weights: Tensor) -> Tensor:
        ctx.gradients, ctx.weights = gradients, weights
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return None, None, *total(ctx.gradients(outer[0]))


def penalty(value: Tensor, gradients: Gradients, weights: list[Tensor]) -> Tensor:
    """The scalar `value` as a loss on `weights` whose gradient is `gradients(1)`."""
    loss: Tensor = _Penalty.apply(value, gradients, *weights)  # type: ignore[no-untyped-call]
    return loss


def settles(loss: Tensor) -> bool:
    """Whether `settle` can do what a backward pass from `loss` would: it is a penalty, and on
    parameters themselves."""
    weights = getattr(loss.grad_fn, "weights", None)
    return weights is not None and all(w.is_leaf and w.requires_grad for w in weights)


@torch.no_grad()
def settle(loss: Tensor) -> None:
    """Add a penalty's gradient to what a backward pass left in its weights' `grad`."""
    found: Any = loss.grad_fn
    for weight in found.weights:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    gradients = [weight.grad for weight in found.weights]
    for tensors, factors in found.gradients(1.0):
        if isinstance(factors, Tensor):
            torch._foreach_addcmul_(gradients, tensors, list(factors.unbind()))
        else:
            torch._foreach_add_(gradients, tensors, alpha=factors)


def total(terms: list[Term]) -> list[Tensor]:
    """Each weight's gradient by itself."""
    first, *others = (_made(tensors, factors) for tensors, factors in terms)
    for other in others:
        torch._foreach_add_(first, other)
    return first


def _made(tensors: list[Tensor], factors: Tensor | float) -> list[Tensor]:
    each = list(factors.expand(len(tensors))) if isinstance(factors, Tensor) else factors
    return list(torch._foreach_mul(tensors, each))


def whole(gradients: list[Tensor]) -> Term:
    """Gradients that are made already, as a term."""
    return gradients, 1.0
