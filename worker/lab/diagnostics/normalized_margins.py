"""How far hidden representations are from another answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.contract.measurement import Table
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.distribution import quantiles
from worker.lab.core.margin import margin
from worker.lab.core.outputs import parts
from worker.lab.core.task import Split

Found = tuple[Tensor, Tensor]
"""Of one layer: distances (B,), and what enters it (B, n)."""


class NormalizedMargins(Diagnostic):
    """Distance to the decision boundary at every layer, in units of that layer's spread.

    For what enters weight layer l, x^l: d_l = γ / ‖∇_{x^l} γ‖₂ with γ = f_y − max_{k≠y} f_k, over
    the total variation √(Σ_j Var x^l_j) of the examples. Readings under
    `diagnostic/normalized_margins`: `median/layer1`, … and the table `summary` with quartiles and
    fences (the extreme values within 1.5 interquartile ranges of the quartiles), which is what the
    paper predicts generalization from. `layer1` is the input. Examples whose gradient vanishes at a
    layer are left out there; the paper's code adds 1e-6 under the root instead, which would make it
    depend on the scales of layers. As it is, shifts of scale leave it alone.
    """

    title: ClassVar[str] = "Normalised margins"
    paper: ClassVar[str] = "Jiang, Krishnan, Mobahi, Bengio, arXiv:1810.00113"
    invariant: ClassVar[bool | None] = True

    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(
        500, description="training examples looked at"
    )

    def survey(self, view: View) -> Iterator[Reading]:
        found = [_look(view, part) for part in parts(view.task.train.head(self.limit))]
        rows = []
        for layer, name in enumerate(view.layers.names):
            distances, entering = zip(*(part[layer] for part in found), strict=True)
            spread = torch.cat(entering).var(0).sum().sqrt()
            distance = torch.cat(distances)
            distance = distance[distance.isfinite()] / spread
            if not len(distance):
                continue
            rows.append({"layer": name, **_summary(distance)})
            yield f"diagnostic/normalized_margins/median/{name}", rows[-1]["median"]
        if rows:
            columns = {key: [row[key] for row in rows] for key in rows[0]}
            yield "diagnostic/normalized_margins/summary", Table(columns=columns)


def _look(view: View, part: Split) -> list[Found]:
    """Every layer's distances on a batch, and what entered it."""
    entered: dict[int, Tensor] = {}
    hooks = [
        module.register_forward_pre_hook(partial(_note, entered, layer))
        for layer, module in enumerate(view.layers.modules)
    ]
    try:
        with torch.enable_grad():
            found = margin(view.model(part.x.detach().requires_grad_()), part.y)
            inner = [entered[layer] for layer in range(len(hooks))]
            gradients = torch.autograd.grad(found.sum(), inner)
    finally:
        for hook in hooks:
            hook.remove()
    slopes = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients]
    distances = [torch.where(s > 0, found.detach() / s, torch.inf) for s in slopes]
    return [(d, x.detach().flatten(1)) for d, x in zip(distances, inner, strict=True)]


def _note(entered: dict[int, Tensor], layer: int, module: Any, inputs: tuple[Tensor]) -> None:
    entered[layer] = inputs[0]


def _summary(distance: Tensor) -> dict[str, Any]:
    """Quartiles and fences, as numbers."""
    found = {name: float(value) for name, value in quantiles(distance).items() if name != "p10"}
    reach = 1.5 * (found["quartile3"] - found["quartile1"])
    low = float(distance.min()), found["quartile1"] - reach
    high = float(distance.max()), found["quartile3"] + reach
    return {"lower fence": max(low), **found, "upper fence": min(high)}
