"""What the network answers everywhere in the plane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field

from worker.contract.measurement import Surface, Table
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.task import Task

POINTS = 500


class DecisionRegions(Diagnostic):
    """The network's answer everywhere in [0, 1]², for data with two inputs.

    `diagnostic/decision_regions/map` is a surface over a grid: with two classes the probability of
    the second, else the predicted class. `diagnostic/decision_regions/points` is, once, a table of
    the first 500 training points (x, y, class). On other data it measures nothing.
    """

    title: ClassVar[str] = "Decision regions"
    suits: ClassVar[Mapping[str, Any]] = {"shape": [2]}

    size: Annotated[int, Field(ge=8, le=128)] = Field(48, description="grid points along a side")

    def survey(self, view: View) -> Iterator[Reading]:
        ticks = torch.linspace(0, 1, self.size)
        grid = torch.cartesian_prod(ticks, ticks).flip(1).to(view.x.device)
        logits = view.model(grid)
        two = logits.shape[1] == 2
        z = logits.softmax(1)[:, 1] if two else logits.argmax(1).float()
        label = f"p({view.task.classes[1]})" if two else "class"
        yield "diagnostic/decision_regions/map", _surface(ticks.tolist(), z, label)
        if view.first:
            yield "diagnostic/decision_regions/points", _points(view.task)


def _surface(ticks: list[Any], z: torch.Tensor, label: str) -> Surface:
    rows = (1000 * z).round().div(1000).view(len(ticks), -1).tolist()
    return Surface.model_construct(
        shape="surface", x=ticks, y=ticks, z=rows, x_label="x", y_label="y", z_label=label
    )


def _points(task: Task) -> Table:
    head = task.train.head(POINTS)
    x, y = head.x.unbind(1)
    classes: list[Any] = [task.classes[label] for label in head.y.tolist()]
    return Table(columns={"x": x.tolist(), "y": y.tolist(), "class": classes})
