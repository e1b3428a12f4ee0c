"""Steps that turn weights without lengthening them."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.method import Method, Objective
from worker.lab.core.point import Point
from worker.lab.core.step import Step

TINY = 1e-8


class Adamp(Method):
    """Take the radial part out of the optimizer's step for weights whose scale does not matter.

    d ← d − ŵ (ŵ · d), ŵ = w / ‖w‖, for the step d of every tensor of two dimensions or more with
    max |cos(∇, w)| < delta / √dim: filter by filter if all filters of the layer meet it, else for
    the layer as one vector if that does. Behind batch normalisation gradients are orthogonal to
    weights, and momentum turns that into growth, which slows learning down: see `step_angle` and
    `effective_learning_rate`.

    With the optimizer `adamw` it is AdamP, the decoupled weight decay of projected tensors being
    multiplied by wd_ratio; with `sgd` it is SGDP without decay. The gradient is of all losses: a
    penalty such as `lp` points along w and can hide the invariance. Growth by ‖w‖² ← ‖w‖² + ‖d‖²
    remains, to second order; `weight_rescaling` removes it too.

    Measured on MNIST (10,000 images, CNN with batch normalisation, three epochs, cosine; right
    answers): SGD at 0.05 (two seeds) 98.4 % at delta 0, 98.6 at 0.1; SGD at 0.2 (one seed) 98.3 at
    0, 98.6 at 0.1 and at 1. AdamW at 0.003 with decay 0.1 (one seed): 98.6 % without it, 98.6 at
    wd_ratio 0, 98.5 at 0.1. Of one run ± 0.24: differences are about as large.
    """

    title: ClassVar[str] = "AdamP / SGDP projection"
    paper: ClassVar[str] = "arXiv:2006.08217 AdamP, algorithm 2, and the authors' code"
    invariant: ClassVar[bool | None] = True
    off: ClassVar[dict[str, object]] = {"delta": 0}

    delta: Annotated[float, Field(ge=0, le=10)] = Field(
        0.1, description="below delta / √dim a cosine counts as zero; 0: never project"
    )
    wd_ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="share of decoupled weight decay left to projected tensors"
    )

    def perturb(self, step: Step, objective: Objective) -> Point:
        """Moves nothing: remembers the weights."""
        known = [p for p in step.model.parameters() if p.requires_grad and p.dim() > 1]
        step.memo[self.name()] = [(parameter, parameter.detach().clone()) for parameter in known]
        return step.point

    def project(self, model: nn.Module, step: Step) -> None:
        known = [(p, was) for p, was in step.memo[self.name()] if p.grad is not None]
        views = self._views([(p.grad, was) for p, was in known])
        decays = _decays(step.optimizer)
        for (parameter, was), view in zip(known, views, strict=True):
            if view is not None:
                decay = decays.get(parameter, 0.0)
                move = (parameter - was + decay * was).view(view)
                unit = was.view(view) / was.view(view).norm(dim=1, keepdim=True).clamp_min(TINY)
                move = move - unit * (unit * move).sum(1, keepdim=True)
                parameter.copy_(was * (1 - decay * self.wd_ratio) + move.view_as(was))

    def _views(self, pairs: list[tuple[Tensor, Tensor]]) -> list[tuple[int, int] | None]:
        """The rows in which each tensor is projected: its filters, all of it, or none."""
        shapes = [[(len(was), was[0].numel()), (1, was.numel())] for _, was in pairs]
        worst = [
            F.cosine_similarity(gradient.view(shape), was.view(shape), dim=1).abs().max()
            for (gradient, was), both in zip(pairs, shapes, strict=True)
            for shape in both
        ]
        found = iter(torch.stack(worst).tolist() if worst else [])
        cosines = [[(next(found), shape) for shape in both] for both in shapes]
        return [
            next((s for cosine, s in both if cosine < self.delta / math.sqrt(s[1])), None)
            for both in cosines
        ]


def _decays(optimizer: torch.optim.Optimizer | None) -> dict[Tensor, float]:
    """By what share of itself the step shrank each parameter, apart from its gradient."""
    groups = optimizer.param_groups if optimizer is not None else []
    return {
        parameter: group["lr"] * group.get("weight_decay", 0.0)
        for group in groups
        for parameter in group["params"]
    }
