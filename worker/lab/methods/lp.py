"""Norm penalties, weight decay among them."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.penalty import Penalty, Term, numbers

TINY = 1e-12


class Lp(Method):
    """A power of each layer's norm; p = q = 2 is weight decay.

    R = (strength / q) Σ_l ‖W_l‖_p^q over the weight matrices and kernels, biases left alone; the
    norm is taken over all entries, of weights as the optimizer sees them: batch normalisation is
    not folded in, in front of which the penalty changes the speed of learning and not the function
    (see `weight_rescaling`). With p = q = 2 that is strength/2 · Σ‖W‖², whose gradient is
    strength · W: the convention of optimizers. p = q = 1 is the L1 penalty.

    Not invariant: shifting scale between two layers changes R and not the function. Over all such
    shifts its minimum is (strength / q) · L · ν^(q/L) with ν = Π‖W_l‖_p, reached at equal norms,
    so its pressure on ν fades with the depth L when ν > 1 (derived from
    arXiv:2008.02965's claim).

    Measured on MNIST (10,000 images, small MLP and CNN): useful from 1e-4 to 5e-3, harmful from
    1e-2.
    """

    title: ClassVar[str] = "Lp penalty (weight decay)"
    paper: ClassVar[str] = "Krogh & Hertz (NIPS 1991); the family of arXiv:2008.02965"
    invariant: ClassVar[bool | None] = False
    parts: ClassVar[bool] = True

    strength: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.001,
        description="λ; the gradient is λW at p = q = 2",
        json_schema_extra={"warn_from": 0.01},
    )
    p: Annotated[float, Field(ge=1, le=8)] = Field(2.0, description="of the norm over entries")
    q: Annotated[float, Field(gt=0, le=8)] = Field(2.0, description="power of each layer's norm")

    def penalties(self, layers: Layers) -> dict[str, Penalty]:
        weights = layers.weights
        with torch.no_grad():
            found = numbers(torch._foreach_norm(weights, self.p))
        norms = [max(norm, TINY) for norm in found]
        value = self.strength / self.q * sum(_power(norm, self.q) for norm in norms)

        def gradients() -> list[Term]:
            rates = [self.strength * _power(norm, self.q - self.p) for norm in norms]
            return [(self._powers(weights), rates)]

        return {"lp": Penalty(value, gradients, weights)}

    def _powers(self, weights: list[Tensor]) -> list[Tensor]:
        """|W|^(p−1) sign W."""
        if self.p == 2:
            return weights
        signs = torch._foreach_sign(weights)
        if self.p == 1:
            return list(signs)
        powers = torch._foreach_pow(torch._foreach_abs(weights), self.p - 1)
        return list(torch._foreach_mul(powers, signs))


def _power(norm: float, exponent: float) -> float:
    try:
        return math.pow(norm, exponent)
    except OverflowError:
        return math.inf
