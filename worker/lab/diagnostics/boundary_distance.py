"""How far inputs are from another answer, to first order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.distribution import histogram, quantiles
from worker.lab.core.margin import margins_and_gradients

DUAL = {"l2": 2.0, "linf": 1.0}
"""The norm of a gradient that belongs to a norm of changes."""


class BoundaryDistance(Diagnostic):
    """How far inputs lie from the decision boundary, by the margin over its input gradient.

    d(x) = γ(x) / ‖∇ₓγ(x)‖_*, γ = f_y − max_{k≠y} f_k, in input units: the change, in l2 or linf,
    after which the linearised network answers otherwise; ‖·‖_* is the dual norm, l2 or l1. Negative
    where the answer is wrong. Exact in a linear piece of the network, a guess beyond it: neither an
    upper nor a lower bound. Readings under `diagnostic/boundary_distance`: `p10`, `quartile1`,
    `median`, `quartile3`, a `histogram`, and `margin_over_gradient`, the mean of γ over the mean of
    ‖∇ₓγ‖_*. Where the gradient vanishes there is no such distance, and the example is left out.
    Scaling all logits changes none of them, and neither do shifts between layers.
    """

    title: ClassVar[str] = "Distance to the boundary"
    paper: ClassVar[str] = "Elsayed, Krishnan, Mobahi, Regan, Bengio, arXiv:1803.05598"
    invariant: ClassVar[bool | None] = True

    norm: Literal["l2", "linf"] = Field("l2", description="of the change of an input")
    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(
        500, description="test examples looked at"
    )

    def survey(self, view: View) -> Iterator[Reading]:
        split = view.task.test.head(self.limit)
        margins, gradients = margins_and_gradients(view.model, split)
        slope = torch.linalg.vector_norm(gradients.flatten(1), DUAL[self.norm], dim=1)
        distance = (margins / slope)[slope > 0]
        if not len(distance):
            return
        for name, value in quantiles(distance).items():
            yield f"diagnostic/boundary_distance/{name}", value
        yield "diagnostic/boundary_distance/margin_over_gradient", margins.mean() / slope.mean()
        label = f"distance to the boundary ({self.norm}, input units)"
        yield "diagnostic/boundary_distance/histogram", histogram(distance, label)
