"""How much the loss rises when the weights are moved a little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.loss_surface import LossSurface

STRIDE = 0.25
"""Of the radius, for the steps after SAM's."""


class Sharpness(Diagnostic):
    """How much the loss rises in a small ball about the weights: SAM, ASAM, worst and average.

    Weights move to w + T∘ε with ‖ε‖₂ ≤ ρ over all trainable parameters at once: T = 1 with radius
    `rho`, or adaptive, T = |w| with radius `rho_adaptive` (ASAM without its η). Readings under
    `diagnostic/sharpness`, all L(moved) − L(w) in nats, evaluation mode: `sam` and `asam`, one step
    ε = ρ T∘∇L / ‖T∘∇L‖₂; `worst` and `worst_adaptive`, the largest found by projected ascent that
    goes on from there (derived here); `average` and `average_adaptive`, the mean over ε drawn
    uniformly from the sphere of radius ρ. The adaptive ones do not change with shifts of scale, the
    others do. On larger or smaller sets of examples compare only equal ones.

    Takes about 12 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Sharpness"
    paper: ClassVar[str] = "SAM arXiv:2010.01412, ASAM arXiv:2102.11600"
    invariant: ClassVar[bool | None] = False
    looks: ClassVar[tuple[str, ...]] = ("steps*examples*6", "samples*examples*2")
    unmoved: ClassVar[tuple[str, ...]] = tuple(
        f"diagnostic/sharpness/{name}" for name in ("asam", "worst_adaptive", "average_adaptive")
    )

    rho: Annotated[float, Field(ge=0, le=100)] = Field(0.05, description="radius in weights")
    rho_adaptive: Annotated[float, Field(ge=0, le=100)] = Field(
        0.5, description="radius in weights relative to their own size"
    )
    steps: Annotated[int, Field(ge=0, le=1000)] = Field(20, description="of ascent after the first")
    samples: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="random directions")
    examples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="training examples that the loss is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        surface = LossSurface(view.model, view.task.train.head(self.examples))
        kinds = (
            ("sam", "", torch.ones_like(surface.here), self.rho),
            ("asam", "_adaptive", surface.here.abs(), self.rho_adaptive),
        )
        for one, kind, scale, rho in kinds:
            rises = list(self._ascent(surface, scale, rho))
            yield f"diagnostic/sharpness/{one}", rises[0]
            yield f"diagnostic/sharpness/worst{kind}", torch.stack(rises).max()
            average = self._average(surface, scale, rho, view.generator)
            yield f"diagnostic/sharpness/average{kind}", average

    def _ascent(self, surface: LossSurface, scale: Tensor, rho: float) -> Iterator[Tensor]:
        """The rise after each step up; the first is SAM's."""
        loss, gradient = surface.gradient(surface.here)
        moved = rho * _unit(scale * gradient)
        for _ in range(self.steps):
            now, gradient = surface.gradient(surface.here + scale * moved)
            yield now - loss
            moved = moved + STRIDE * rho * _unit(scale * gradient)
            moved = moved * (rho / moved.norm().clamp_min(1e-30)).clamp_max(1.0)
        yield surface.loss(surface.here + scale * moved) - loss

    def _average(
        self, surface: LossSurface, scale: Tensor, rho: float, generator: torch.Generator
    ) -> Tensor:
        rises = []
        for _ in range(self.samples):
            draw = torch.randn(len(scale), generator=generator).to(scale)
            rises.append(surface.loss(surface.here + scale * rho * _unit(draw)))
        return torch.stack(rises).mean() - surface.loss(surface.here)


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm().clamp_min(1e-30)
    return unit
