"""Flat minima by looking uphill first."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from worker.lab.core.method import Method, Objective
from worker.lab.core.perturb import Which, displaced, gradients, movable, stretched
from worker.lab.core.point import Point
from worker.lab.core.step import Step


class Sam(Method):
    """Step by the gradient at the worst weights nearby: sharpness-aware minimisation.

    e = rho · g / ‖g‖₂ with g = ∇_w of the data losses and one norm over all tensors; the step is
    taken from w with the gradient at w + e. The maximum is of the data losses alone: penalties on
    weights, which act at w itself, do not steer it.

    Twice the passes of plain training. The first pass leaves batch normalisation's running
    statistics alone, so they are those of the pass at w + e. Not invariant: shifting scale
    between layers changes what a ball of radius rho holds, see `asam` and `awp`.
    """

    title: ClassVar[str] = "SAM"
    paper: ClassVar[str] = "arXiv:2010.01412 Sharpness-Aware Minimization"
    invariant: ClassVar[bool | None] = False
    off: ClassVar[dict[str, object]] = {"rho": 0}

    rho: Annotated[float, Field(ge=0, le=100)] = Field(
        0.05, description="radius, in the units of the weights"
    )
    moves: Which = Field(
        "all", description="all: biases and batch normalisation too; weights: matrices and kernels"
    )

    def perturb(self, step: Step, objective: Objective) -> Point:
        at = movable(step, self.moves)
        return displaced(step, at, stretched(gradients(objective, step, at), self.rho))
