"""The regulariser that shifts of scale between layers cannot cheat."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from worker.lab.core.intrinsic import TINY, Intrinsic
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.penalty import Penalty, Term, numbers


class Weissi(Method):
    """A weight-scale-shift-invariant penalty on the intrinsic norm.

    form log:     R = strength · log ν
    form product: R = strength · ν / ν₀
    direction:    + direction · Σ_l ‖W_l‖₁ / ‖W_l‖_F

    ν = Π_l max(‖W_l‖_F, floor) over weight matrices and kernels; a residual block counts as
    c_s s + c_P P, P the product of its branch, s that of its shortcut (1 for the identity), c the
    constants of convolutions and pooling on each path. Batch normalisation is folded:
    W_l stands for diag(γ / √(σ² + ε)) W_l with σ² a constant, and the gradient reaches γ. ν₀ is ν
    at ‖W_l‖_F = √(n_l / 3), n_l outputs: what this library's initialisation expects, so that the
    product form starts near `strength` whatever the architecture.

    Sums of logarithms and the direction term as a review of the paper gives them
    (kexue.fm/archives/7681; the paper's own text was not available); all else is derived here.
    Gradients are in closed form: strength · g_l W_l / ‖W_l‖² for the log form, with the gate
    g_l = 1 on a chain and c_P P / (c_s s + c_P P) in a block.

    W_l → aW_l, W_{l+1} → W_{l+1}/a changes neither R nor (with b_l → ab_l) the function. log ν
    bounds the input gradient: see the diagnostic `bound_tightness`. The form log has no lower end:
    without a floor, W = 0 is its infimum, and on a bias-free chain no other stationary point
    exists above strength = W₀((K − 1)/e), 1.10 for 10 classes (derived here). Below the floor the
    penalty stops pushing.

    Measured on MNIST (10,000 images, small MLP and CNN): useful from 1e-3 to 0.1 (CNN 0.03);
    trouble from 0.3, collapse at 1, the product form included; direction at most 1e-3. The MLP
    (256-256, three epochs, three seeds) is right on 95.4 % at 0 to 0.03 and on 95.2 % at 0.1. The
    CNN wants 0.01, and 0.03 at most (three seeds; with all images, one seed, 99.07 % and 98.85): so
    that is the default.
    """

    title: ClassVar[str] = "WEISSI"
    paper: ClassVar[str] = "arXiv:2008.02965"
    invariant: ClassVar[bool | None] = True
    parts: ClassVar[bool] = True

    strength: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.01, description="λ₁, of the intrinsic norm", json_schema_extra={"warn_from": 0.3}
    )
    form: Literal["log", "product"] = Field("log", description="of the intrinsic norm")
    direction: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.0, description="λ₂, of sparse directions", json_schema_extra={"warn_from": 0.01}
    )
    floor: Annotated[float, Field(ge=0, le=1)] = Field(
        1e-3, description="norm below which a layer is left alone; 0 for none"
    )

    def penalties(self, layers: Layers) -> dict[str, Penalty]:
        nu = Intrinsic.of(layers, self.floor)
        with torch.no_grad():
            found = {"intrinsic": self._intrinsic(nu)}
            if self.direction:
                found["direction"] = self._direction(nu)
        return found

    def _intrinsic(self, nu: Intrinsic) -> Penalty:
        if self.form == "log":
            value, rate = self.strength * nu.log, self.strength
        else:
            value = rate = self.strength * _exp(nu.log - _start(nu.layers))
        return Penalty(value, lambda: nu.gradients(rate), nu.parameters)

    def _direction(self, nu: Intrinsic) -> Penalty:
        weights, norms = nu.folded, [max(norm, TINY) for norm in nu.norms]
        signs = list(torch._foreach_sign(weights))
        pairs = zip(signs, weights, strict=True)  # a product is faster than the norm p = 1
        sums = numbers([torch.dot(s.flatten(), w.flatten()) for s, w in pairs])
        shares = [total / norm for total, norm in zip(sums, norms, strict=True)]
        value = self.direction * sum(shares)

        def gradients() -> list[Term]:
            rates = [self.direction / norm for norm in norms]
            shrink = [-r * s / n for r, s, n in zip(rates, shares, norms, strict=True)]
            return nu.pull([(signs, rates), (weights, shrink)])

        return Penalty(value, gradients, nu.pulled)


def _exp(log: float) -> float:
    return math.exp(log) if log < 700 else math.inf


def _start(layers: Layers) -> float:
    """log ν₀."""
    logs = [0.5 * math.log(len(weight) / 3) for weight in layers.weights]
    if layers.plain:
        return sum(logs)
    return float(layers.log_reach(torch.tensor(logs + [0.0] * len(layers.loose))))
