"""Look at another point: climb an objective by moving inputs, weights or both.

SAM, AWP and adversarial training, FGSM and PGD, attacks on weights and joint ones are this one
climb with different balls.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.method import Objective
from worker.lab.core.point import Point


@dataclass(frozen=True)
class Slope:
    """The objective (B,) at a point, and how Σ of it changes with what may move there.

    `x` is as the inputs, None where they do not move; `w` has the weights that move.
    """

    loss: Tensor
    x: Tensor | None
    w: dict[str, Tensor]


def slope(
    objective: Objective, point: Point, *, inputs: bool = False, weights: bool = False
) -> Slope:
    """Differentiate by what moves and nothing else: the model's own parameters get no gradient
    and keep their `grad`. Gradients are zero where the objective does not depend on a tensor."""
    x = point.x.detach().requires_grad_(inputs)
    w = {name: tensor.detach().requires_grad_(weights) for name, tensor in point.w.items()}
    with torch.enable_grad():
        loss = objective(Point(x, w))
    found = list(_gradients(loss, [*([x] if inputs else []), *(w.values() if weights else [])]))
    by_x = found.pop(0) if inputs else None
    return Slope(loss.detach(), by_x, dict(zip(w, found, strict=True)) if weights else {})


@dataclass(frozen=True)
class Rise:
    """One step up: where it led, and what the objective was where it began.

    `loss` (B,) and `gradient` (as x; None when inputs do not move) are of the point before.
    """

    point: Point
    loss: Tensor
    gradient: Tensor | None


def rise(
    objective: Objective,
    point: Point,
    at: Point,
    *,
    inputs: Ball | None = None,
    weights: WeightBall | None = None,
    lr: float,
) -> Rise:
    """One projected step of steepest ascent from `point`, in the balls about `at`.

    x ← Π(x + lr · eps · u(∇ₓ Σ objective)), and likewise every tensor of `point.w` with its own
    radius, where u is the sign (linf), the normalised gradient (l2) or what core/l1.py says.
    """
    if inputs is None and weights is None:
        raise ValueError("nothing may move: give a ball for the inputs or for the weights")
    found = slope(objective, point, inputs=inputs is not None, weights=weights is not None)
    x, w = point.x.detach(), {name: tensor.detach() for name, tensor in point.w.items()}
    if inputs and found.x is not None:
        x = inputs.project(inputs.step(x, found.x, lr * inputs.eps), at.x)
    if weights:
        w = {n: weights.move(t, found.w[n], at.w[n].detach(), lr) for n, t in w.items()}
    return Rise(Point(x, w), found.loss, found.x)


def ascend(
    objective: Objective,
    at: Point,
    *,
    inputs: Ball | None = None,
    weights: WeightBall | None = None,
    steps: int,
    lr: float,
    start: Point | None = None,
) -> Point:
    """`steps` steps up from `start` (or `at`) within the balls about `at`.

    lr is a fraction of the ball's eps. With `weights`, `at.w` holds the tensors that may move.
    """
    point = start or at
    for _ in range(steps):
        point = rise(objective, point, at, inputs=inputs, weights=weights, lr=lr).point
    return point


def _gradients(loss: Tensor, moving: list[Tensor]) -> tuple[Tensor, ...]:
    """∂ Σ loss, zero where the loss does not depend on a tensor."""
    if not loss.requires_grad:
        return tuple(torch.zeros_like(t) for t in moving)
    return torch.autograd.grad(loss.sum(), moving, materialize_grads=True)
