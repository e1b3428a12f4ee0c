"""What of the weights no input ever reaches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.contract.measurement import Curve
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.span import rank, spectrum

POINTS = 200
TINY = 1e-300


class WeightNoiseSpan(Diagnostic):
    """The share of each layer's weights outside the span of its inputs: noise of the start.

    Gradient descent, with or without momentum, moves the weights w of an output only inside the
    span S of what enters the layer (the patches under a kernel; centred, where batch normalisation
    follows). What starts outside S stays, unless weight decay shrinks it: noise, by the paper's
    first version. How it is measured is derived here: S is spanned by the leading eigenvectors of
    the inputs' covariance (training data, evaluation mode) that hold `energy` of its trace.

    Under `diagnostic/weight_noise_span`, for every layer: `share/layer1`, … is ‖P_⊥ w‖ / ‖w‖,
    averaged over outputs; `length` is ‖P_⊥ w‖; `isotropic` is √((d − dim S) / d), the share of a
    random direction; `curve` is the share left after so many of the leading eigenvectors. Shifts
    of scale change the length alone.
    Rescaling leaves the share as it is at once and lets it fall by turning w faster. Adam leaves
    the span. In hidden layers S itself moves in training.
    """

    title: ClassVar[str] = "Weight noise outside the input span"
    paper: ClassVar[str] = "arXiv:2102.03497"
    invariant: ClassVar[bool | None] = False
    unmoved: ClassVar[tuple[str, ...]] = tuple(
        f"diagnostic/weight_noise_span/{reading}" for reading in ("share", "isotropic", "curve")
    )

    energy: Annotated[float, Field(gt=0, le=1)] = Field(
        0.999, description="share of the inputs' variance that is the span; 1: all but rounding"
    )
    limit: Annotated[int, Field(ge=10, le=1_000_000)] = Field(2000, description="training examples")
    largest: Annotated[int, Field(ge=1, le=10_000)] = Field(
        2048, description="layers of more inputs (a patch's entries) are left out"
    )

    def study(self, view: View) -> Iterator[Reading]:
        layers = view.layers
        for name, module, fold in zip(layers.names, layers.modules, layers.folds, strict=True):
            weight = module.weight.detach().flatten(1).double()
            if weight.shape[1] <= self.largest:
                values, vectors = spectrum(
                    view.model, module, view.task.train.head(self.limit), centred=fold is not None
                )
                for reading, value in self._readings(weight, values, vectors):
                    yield f"diagnostic/weight_noise_span/{reading}/{name}", value

    def _readings(self, weight: Tensor, values: Tensor, vectors: Tensor) -> Iterator[Reading]:
        along = (weight @ vectors).square()  # (out, d), the leading direction first
        squares = along.sum(1).clamp_min(TINY)
        kept, exact = self._kept(values), rank(values)
        rest = along[:, kept:].sum(1)
        yield "share", (rest / squares).sqrt().mean()
        yield "length", rest.sqrt().mean()
        yield "isotropic", math.sqrt(1 - kept / len(values))
        left = along.flip(1).cumsum(1).flip(1)[:, : exact + 1]
        yield "curve", _curve((left / squares[:, None]).sqrt().mean(0))

    def _kept(self, values: Tensor) -> int:
        """The dimension of the span, from eigenvalues in falling order."""
        held = values.cumsum(0) / values.sum()
        return min(int((held < self.energy).sum()) + 1, rank(values))


def _curve(shares: Tensor) -> Curve:
    at = torch.linspace(0, len(shares) - 1, min(len(shares), POINTS)).round().long()
    return Curve(
        x=[float(k) for k in at],
        y=[float(share) for share in shares[at.to(shares.device)]],
        x_label="leading input directions taken away",
        y_label="share of the weight left",
    )
