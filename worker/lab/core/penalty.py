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

Gradients = Callable[[Tensor], list[Tensor]]
"""From the gradient of the loss's value (a scalar) to that of each weight."""


class _Penalty(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Gradients, *weights: Tensor) -> Tensor:
        ctx.gradients, ctx.weights = gradients, weights
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return None, None, *ctx.gradients(outer[0])


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
    gradients = found.gradients(torch.ones_like(loss))
    for weight, gradient in zip(found.weights, gradients, strict=True):
        weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)


def scaled(weights: list[Tensor], factors: Tensor) -> list[Tensor]:
    """factors[l] · W_l for every layer."""
    return list(torch._foreach_mul(weights, list(factors.unbind())))
