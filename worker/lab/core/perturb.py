"""Taking a step's losses at moved weights: which tensors move, where their loss rises, how far.

A perturbed tensor is the parameter plus a constant, so that gradients reach the parameter itself,
and what several methods ask for adds up: each starts where the one before it ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from worker.lab.core.ascend import ascend
from worker.lab.core.balls import WeightBall
from worker.lab.core.method import Objective
from worker.lab.core.point import Point
from worker.lab.core.step import Step

Tensors = dict[str, Tensor]
Which = Literal["all", "weights"]
TINY = 1e-30


def movable(step: Step, which: Which = "weights") -> Tensors:
    """What may move, by parameter name, as it is at the step's point: weight matrices and
    kernels, or these and biases and the parameters of batch normalisation."""
    return {
        name: step.point.w.get(name, parameter)
        for name, parameter in step.model.named_parameters()
        if parameter.requires_grad and (which == "all" or parameter.dim() > 1)
    }


def gradients(objective: Objective, step: Step, at: Tensors) -> Tensors:
    """∂ Σ objective / ∂ each tensor, at the step's point; parameters keep their `grad`."""
    with torch.enable_grad():
        loss = objective(step.point).sum()
        found = torch.autograd.grad(loss, list(at.values()), materialize_grads=True)
    return dict(zip(at, found, strict=True))


def displaced(step: Step, at: Tensors, change: Mapping[str, Tensor]) -> Point:
    """The step's point with each tensor moved by a constant."""
    moved = {name: at[name] + by.detach() for name, by in change.items()}
    return Point(step.point.x, {**step.point.w, **moved})


def stretched(change: Tensors, length: Tensor | float) -> Tensors:
    """Scaled by length / ‖all of it together‖₂; zero where there is nothing to scale."""
    tensors = list(change.values())
    norm = torch.stack(torch._foreach_norm(tensors)).norm()
    factor = torch.where(norm > TINY, length / norm.clamp_min(TINY), 0.0)
    return dict(zip(change, torch._foreach_mul(tensors, factor), strict=True))


def risen(objective: Objective, step: Step, ball: WeightBall, steps: int, lr: float) -> Point:
    """The weights `steps` steps up the objective, each tensor in its ball about where it was."""
    at = movable(step)
    fixed = Point(step.point.x, {name: tensor.detach() for name, tensor in at.items()})
    rest = {name: tensor for name, tensor in step.point.w.items() if name not in at}

    def seen(point: Point) -> Tensor:
        return objective(Point(point.x, {**rest, **point.w}))

    top = ascend(seen, fixed, weights=ball, steps=steps, lr=lr)
    return displaced(step, at, {name: top.w[name] - fixed.w[name] for name in at})


def dice(step: Step, device: torch.device) -> torch.Generator:
    """Randomness on the device where it is needed, drawn from the step's own."""
    seed = int(torch.randint(2**62, (), generator=step.generator))
    return torch.Generator(device).manual_seed(seed)
