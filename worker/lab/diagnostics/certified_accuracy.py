"""How often the network is right whatever small movement of weights or inputs happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from worker.contract.measurement import Curve, Surface
from worker.lab.core.certify import Bound, Limits, certify
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.interval import wilson
from worker.lab.core.task import Split

BATCH = 125
FINEST = 0.01
"""The smallest eps above zero, as a share of the largest."""

PLACE = "diagnostic/certified_accuracy"


class CertifiedAccuracy(Diagnostic):
    """Share of test examples proved right while weights, inputs or both move by up to eps.

    An example counts at eps if its class's logit stays the largest for every change of all
    weights by at most eps each (`diagnostic/certified_accuracy/weights`), of all inputs by at most
    eps_x (`…/inputs`, x in [0, 1]), or of both at once (`…/joint`, by I). No attack within these
    limits brings accuracy below it, even one that moves the weights for each example anew.

    Three certificates, derived here (see core/reach.py), from tight to loose: intervals (I), one
    pass with |W| (V), a closed form (P). Biases move too; batch normalisation is as in evaluation.
    At eps 0 it is the accuracy. Exact up to float32's rounding; Wilson's 95 % intervals.

    `relative` measures each layer's eps in its own largest entry: then scale shifts leave it as it
    is, and shrinking all weights buys nothing.
    """

    title: ClassVar[str] = "Certified accuracy"
    paper: ClassVar[str] = "arXiv:2103.02200; with inputs, arXiv:2102.11935"
    invariant: ClassVar[bool | None] = False
    looks: ClassVar[tuple[str, ...]] = ("points*limit*6",)

    eps: Annotated[float, Field(ge=0, le=1)] = Field(0.01, description="largest of weights")
    eps_x: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="largest of inputs; 0 for weights alone"
    )
    points: Annotated[int, Field(ge=2, le=40)] = Field(
        13, description="values of eps: 0, then geometrically over two decades"
    )
    relative: bool = Field(False, description="whether weights' eps is in units of their largest")
    limit: Annotated[int, Field(ge=10, le=100_000)] = Field(500, description="test examples")

    def study(self, view: View) -> Iterator[Reading]:
        test = view.task.test.head(self.limit)
        weights, inputs = _grid(self.eps, self.points), _grid(self.eps_x, self.points)
        for bound in ("I", "V", "P"):
            if self.eps:
                held = _held(view, test, bound, [self._limits(view, eps) for eps in weights])
                yield f"{PLACE}/weights/{bound}", _curve(weights, held, len(test), "weights")
            if self.eps_x:
                held = _held(view, test, bound, [self._limits(view, 0.0, eps) for eps in inputs])
                yield f"{PLACE}/inputs/{bound}", _curve(inputs, held, len(test), "inputs")
        if self.eps and self.eps_x:
            rows = [
                _held(view, test, "I", [self._limits(view, eps, eps_x) for eps in weights])
                for eps_x in inputs
            ]
            yield f"{PLACE}/joint", _surface(weights, inputs, rows, len(test))

    def _limits(self, view: View, eps: float, eps_x: float = 0.0) -> Limits:
        choose = Limits.relative if self.relative else Limits.even
        return choose(view.layers, eps, inputs=eps_x)


def _grid(top: float, points: int) -> list[float]:
    """0, then geometrically up to `top`."""
    share = [FINEST ** (1 - k / max(points - 2, 1)) for k in range(points - 1)]
    return [0.0, *(top * s for s in share)] if points > 2 else [0.0, top]


def _held(view: View, test: Split, bound: Bound, limits: list[Limits]) -> list[int]:
    """How many examples are certified at each of some growing limits: whoever is lost stays so."""
    counts = [0] * len(limits)
    for x, y in zip(torch.split(test.x, BATCH), torch.split(test.y, BATCH), strict=True):
        for place, limit in enumerate(limits):
            if not len(y):
                break
            keep = certify(view.model, x, y, limit, bound).holds
            x, y = x[keep], y[keep]
            counts[place] += len(y)
    return counts


def _curve(grid: list[float], held: list[int], n: int, what: str) -> Curve:
    ends = [wilson(hits, n) for hits in held]
    return Curve(
        x=list(grid),
        y=[hits / n for hits in held],
        low=[low for low, _ in ends],
        high=[high for _, high in ends],
        x_label=f"eps of {what}",
        y_label="certified accuracy",
    )


def _surface(weights: list[float], inputs: list[float], rows: list[list[int]], n: int) -> Surface:
    return Surface(
        x=list(weights),
        y=list(inputs),
        z=[[hits / n for hits in row] for row in rows],
        x_label="eps of weights",
        y_label="eps of inputs",
        z_label="certified accuracy",
    )
