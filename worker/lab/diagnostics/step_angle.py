"""How far a step turns the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class StepAngle(Diagnostic):
    """The angle between the weights before and after a step, in radians, for every layer.

    `diagnostic/step_angle/layer1`, …: the angle of w, the weights of one output, averaged over a
    layer's outputs. Before batch normalisation it is all that a step does. With gradient noise
    and weight decay λ it settles at √(2 lr λ / (1 + μ)), whatever the loss (derived here; μ is
    the momentum); with weights held at unit norm it is proportional to lr. The step is the one
    that starts where the other measurements are taken.
    """

    title: ClassVar[str] = "Angle per step"
    paper: ClassVar[str] = "arXiv:2102.03497; equilibrium as in arXiv:2006.08419"
    invariant: ClassVar[bool | None] = False
    needs_move: ClassVar[bool] = True

    def moved(self, view: View, before: Mapping[str, Tensor]) -> Iterator[Reading]:
        names = {id(weight): name for name, weight in view.model.named_parameters()}
        for layer, weight in zip(view.layers.names, view.layers.weights, strict=True):
            if id(weight) in names:  # not where it is computed from other parameters
                old = before[names[id(weight)]]
                yield f"diagnostic/step_angle/{layer}", angles(old, weight.detach()).mean()


def angles(a: Tensor, b: Tensor) -> Tensor:
    """Between the rows of two weights, (out,); exact for small angles, where arccos is not."""
    u, v = (torch.nn.functional.normalize(w.flatten(1).double(), dim=1) for w in (a, b))
    return 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))
