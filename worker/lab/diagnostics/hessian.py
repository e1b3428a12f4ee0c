"""How the loss curves about the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.contract.measurement import Curve
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.lanczos import lanczos
from worker.lab.core.loss_surface import LossSurface

POINTS, WIDTH, FLOOR = 201, 0.01, 1e-9


class Hessian(Diagnostic):
    """The loss's curvature in the weights: largest eigenvalue, trace and spectrum.

    H = ∇²L of the mean cross-entropy over training examples, all trainable parameters, evaluation
    mode. Each of `probes` random signs v starts `iterations` Lanczos steps on v ↦ Hv. Readings
    under `diagnostic/hessian`, better with every probe: `top_eigenvalue` and `lowest_eigenvalue`,
    the extreme Ritz values, which lie inside the spectrum and reach its ends as iterations grow;
    `trace`, Hutchinson's mean of vᵀHv, and `trace_error`, its standard error; `spectrum`, log₁₀ of
    the density of eigenvalues (stochastic Lanczos quadrature), smoothed by Gaussians of 1 % of the
    range. Shifts of scale change all of it.

    Takes about 25 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Hessian"
    paper: ClassVar[str] = "Ghorbani, Krishnan, Xiao, arXiv:1901.10159; PyHessian arXiv:1912.07145"
    invariant: ClassVar[bool | None] = False
    looks: ClassVar[tuple[str, ...]] = ("probes*iterations*examples*6",)

    probes: Annotated[int, Field(ge=1, le=1000)] = Field(4, description="random starts")
    iterations: Annotated[int, Field(ge=2, le=1000)] = Field(20, description="Lanczos steps each")
    examples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="training examples that the loss is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        surface = LossSurface(view.model, view.task.train.head(self.examples))
        product = partial(surface.curvature, surface.here)
        found: list[tuple[Tensor, Tensor]] = []
        for _ in range(self.probes):
            sign = torch.randint(2, surface.here.shape, generator=view.generator) * 2 - 1
            found.append(lanczos(product, sign.to(surface.here), self.iterations))
            values, weights = (torch.cat(pieces) for pieces in zip(*found, strict=True))
            traces = len(sign) * torch.stack([(value * weight).sum() for value, weight in found])
            yield "diagnostic/hessian/top_eigenvalue", values.max()
            yield "diagnostic/hessian/lowest_eigenvalue", values.min()
            yield "diagnostic/hessian/trace", traces.mean()
            if len(found) > 1:
                error = traces.std() / math.sqrt(len(found))
                yield "diagnostic/hessian/trace_error", error
            yield "diagnostic/hessian/spectrum", density(values, weights / len(found))


def density(values: Tensor, weights: Tensor) -> Curve:
    """log₁₀ of Σ_i weight_i · N(t; value_i, s²), s being 1 % of the values' range."""
    spread = max(float(values.max() - values.min()), 1e-12)
    width = WIDTH * spread
    t = torch.linspace(float(values.min()) - 4 * width, float(values.max()) + 4 * width, POINTS)
    bumps = torch.exp(-0.5 * ((t.double()[:, None] - values) / width).square())
    y = (bumps @ weights) / (width * math.sqrt(2 * math.pi))
    return Curve(
        x=t.tolist(),
        y=y.clamp_min(FLOOR).log10().tolist(),
        x_label="eigenvalue",
        y_label="log₁₀ of the density",
    )
