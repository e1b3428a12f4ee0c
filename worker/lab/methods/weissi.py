"""The regulariser that shifts of scale between layers cannot cheat."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.penalty import Gradients, penalty, scaled
from worker.lab.core.task import Task


class Weissi(Method):
    """A weight-scale-shift-invariant penalty on the intrinsic norm.

    form log:     R = strength · Σ_l log max(‖W_l‖_F, floor)
    form product: R = strength · Π_l max(‖W_l‖_F, floor) / √(n_l / 3)
    direction:    + direction · Σ_l ‖W_l‖₁ / ‖W_l‖_F

    over weight matrices and kernels, n_l being a layer's outputs. Sums of logarithms and the
    direction term as a review of the paper gives them (kexue.fm/archives/7681; the paper's own
    text was not available); product form, floor and the treatment of kernels and biases are
    derived here. √(n_l / 3) is the norm that this library's initialisation expects,
    so the product form starts near `strength` whatever the architecture. Gradients are in closed
    form.

    W_l → aW_l, W_{l+1} → W_{l+1}/a changes neither R nor (with b_l → ab_l) the function. log ν
    bounds the input gradient: see the diagnostic `bound_tightness`. The form log has no lower end:
    without a floor, W = 0 is its infimum, and on a bias-free net no other stationary point exists
    above strength = W₀((K − 1)/e), 1.10 for 10 classes (derived here). Below the floor the penalty
    stops pushing.

    Measured on MNIST (10,000 images, small MLP and CNN): useful from 1e-3 to 0.1 (CNN 0.03);
    trouble from 0.3, collapse at 1, the product form included; direction at most 1e-3.
    """

    title: ClassVar[str] = "WEISSI"
    paper: ClassVar[str] = "arXiv:2008.02965"
    invariant: ClassVar[bool | None] = True

    strength: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.03, description="λ₁, of the intrinsic norm", json_schema_extra={"warn_from": 0.3}
    )
    form: Literal["log", "product"] = Field("log", description="of the intrinsic norm")
    direction: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="λ₂, of sparse directions", json_schema_extra={"warn_from": 0.01}
    )
    floor: Annotated[float, Field(ge=0, le=1)] = Field(
        1e-3, description="norm below which a layer is left alone; 0 for none"
    )

    def weight_loss(self, model: nn.Module, task: Task) -> dict[str, Tensor]:
        weights = Layers.of(model).weights
        with torch.no_grad():
            norms = torch.stack(torch._foreach_norm(weights))
            value = self._intrinsic(weights, norms)
        found = {
            "intrinsic": penalty(value, self._intrinsic_gradients(weights, norms, value), weights)
        }
        if self.direction:
            found["direction"] = self._direction(weights, norms)
        return found

    def _intrinsic(self, weights: list[Tensor], norms: Tensor) -> Tensor:
        total = norms.clamp_min(self.floor).log().sum()
        if self.form == "log":
            return self.strength * total
        start = 0.5 * sum(math.log(len(weight) / 3) for weight in weights)
        return self.strength * (total - start).exp()

    def _intrinsic_gradients(
        self, weights: list[Tensor], norms: Tensor, value: Tensor
    ) -> Gradients:
        def gradients(outer: Tensor) -> list[Tensor]:
            scale = self.strength if self.form == "log" else value
            factors = torch.where(norms > self.floor, outer * scale / norms.square(), 0.0)
            return scaled(weights, factors)

        return gradients

    def _direction(self, weights: list[Tensor], norms: Tensor) -> Tensor:
        with torch.no_grad():
            sums = torch.stack(torch._foreach_norm(weights, 1))
            value = self.direction * (sums / norms).sum()

        def gradients(outer: Tensor) -> list[Tensor]:
            rate = outer * self.direction
            signs = scaled(list(torch._foreach_sign(weights)), rate / norms)
            radial = scaled(weights, rate * sums / norms.pow(3))
            return list(torch._foreach_sub(signs, radial))

        return penalty(value, gradients, weights)
