"""The loss on a plane through the trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.measurement import Number, Surface, number
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import outputs
from worker.lab.core.task import Split

Height = Callable[[float, float], float]
COARSEST = 4
"""Intervals along a side, at first."""


class Landscape(Diagnostic):
    """The loss on a plane: over two random directions of the weights, or of the inputs.

    Weights: L(w + a d₁ + b d₂) over test examples, d Gaussian and filter-normalised: every output
    unit's or channel's part of a weight is scaled to the length of that part of w, while biases and
    batch normalisation stay. So a and b are relative to the weights, and shifts of scale leave the
    picture as it is. Inputs: the mean of ℓ(x + a d₁ + b d₂), for each example d₁ along ∇ₓℓ and d₂
    random at a right angle, both of length 1 in input units and not cut to [0, 1].
    `diagnostic/landscape/weights` or `…/inputs` comes as a surface of 5 × 5 points, then with twice
    as many intervals again and again; its middle is the loss itself.

    Takes about 13 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Loss landscape"
    paper: ClassVar[str] = "Li, Xu, Taylor, Studer, Goldstein, arXiv:1712.09913"
    invariant: ClassVar[bool | None] = True
    looks: ClassVar[tuple[str, ...]] = ("4^refinements*16*examples",)

    over: Literal["weights", "inputs"] = Field("weights", description="what moves")
    reach: Annotated[float, Field(gt=0, le=100)] = Field(
        1.0, description="how far each way: relative to the weights, or in input units"
    )
    refinements: Annotated[int, Field(ge=0, le=5)] = Field(
        2, description="doublings of the grid: 5, 9, 17, 33, 65, 129 points a side"
    )
    examples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="test examples that the loss is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        split = view.task.test.head(self.examples)
        plane = _over_weights if self.over == "weights" else _over_inputs
        height = plane(view.model, split, view.generator)
        finest = COARSEST * 2**self.refinements
        known: dict[tuple[int, int], float] = {}
        for level in range(self.refinements + 1):
            ticks = range(0, finest + 1, finest >> level >> 2)
            at = {tick: self.reach * (2 * tick / finest - 1) for tick in ticks}
            for i in ticks:
                for j in ticks:
                    if (i, j) not in known:
                        known[i, j] = height(at[j], at[i])
            rows = [[number(known[i, j]) for j in ticks] for i in ticks]
            yield f"diagnostic/landscape/{self.over}", _surface(list(at.values()), rows)


def _surface(ticks: list[float], rows: list[list[Number]]) -> Surface:
    labels = {"x_label": "first direction", "y_label": "second direction", "z_label": "loss"}
    side: list[Number] = [*ticks]
    return Surface(x=side, y=side, z=rows, **labels)


def _loss(model: nn.Module, split: Split, weights: dict[str, Tensor] | None = None) -> float:
    return float(F.cross_entropy(outputs(model, split, weights), split.y))


def _over_weights(model: nn.Module, split: Split, generator: torch.Generator) -> Height:
    weights = {n: w.detach() for n, w in model.named_parameters() if w.dim() > 1}
    first, second = (
        {name: filter_normalised(w, generator) for name, w in weights.items()} for _ in range(2)
    )

    def height(a: float, b: float) -> float:
        moved = {name: w + a * first[name] + b * second[name] for name, w in weights.items()}
        return _loss(model, split, moved)

    return height


def filter_normalised(weight: Tensor, generator: torch.Generator) -> Tensor:
    """A random direction whose every row, or filter, is as long as the weight's."""
    draw = torch.randn(weight.shape, generator=generator).to(weight)
    sizes = [w.flatten(1).norm(dim=1).view(-1, *[1] * (w.dim() - 1)) for w in (weight, draw)]
    direction: Tensor = draw * (sizes[0] / sizes[1].clamp_min(1e-30))
    return direction


def _over_inputs(model: nn.Module, split: Split, generator: torch.Generator) -> Height:
    x = split.x.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(F.cross_entropy(model(x), split.y, reduction="sum"), x)
    first = _unit(slope)
    draw = torch.randn(x.shape, generator=generator).to(first)
    along = (draw * first).flatten(1).sum(1).view(-1, *[1] * (x.dim() - 1))
    second = _unit(draw - along * first)
    return lambda a, b: _loss(model, Split(split.x + a * first + b * second, split.y))


def _unit(directions: Tensor) -> Tensor:
    lengths = directions.flatten(1).norm(dim=1).clamp_min(1e-30)
    unit: Tensor = directions / lengths.view(-1, *[1] * (directions.dim() - 1))
    return unit
