"""Training on from the same function at two places in weight space."""

from __future__ import annotations

import copy
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from worker.contract.measurement import Table, Value, number
from worker.lab.core.batches import batches
from worker.lab.core.method import Method
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.shift import factors, shift
from worker.lab.core.task import Split
from worker.lab.core.walk import Walk
from worker.lab.methods.lp import Lp
from worker.lab.methods.weissi import Weissi


class TrainFromHere(Probe):
    """Gradient descent on from here and from shifted weights, under each penalty.

    The function is the same at both starts (see the probe `shift`), so what differs afterwards is
    the penalty's and the optimizer's doing: w ← w − lr ∇(CE + penalty) without momentum, on the
    same batches. `norm/<penalty>/<start>` is the intrinsic norm over the steps. `first` tells what
    one step does: the norm and the cross-entropy after it, and the largest change of any logit
    on its batch.
    """

    title: ClassVar[str] = "Train from here"
    paper: ClassVar[str] = "arXiv:2008.02965"

    log2: list[Annotated[float, Field(ge=-10, le=10)]] = Field(
        [], max_length=256, description="exponent of 2 for each layer; missing ones are 0"
    )
    steps: Annotated[int, Field(ge=1, le=300)] = Field(100, description="of gradient descent")
    batch_size: Annotated[int, Field(ge=1, le=1000)] = Field(64, description="examples of a step")
    lr: Annotated[float, Field(gt=0, le=10)] = Field(0.05, description="learning rate")
    weight_decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.001, description="λ of weight decay"
    )
    weissi: Annotated[float, Field(ge=0, le=10)] = Field(0.03, description="λ₁ of WEISSI, log form")

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        moved = shift(subject.model, factors(subject.model, self.log2)).model
        penalties: dict[str, Method | None] = {
            "none": None,
            "weight decay": Lp(strength=self.weight_decay),
            "WEISSI": Weissi(strength=self.weissi),
        }
        walks = [
            Walk(start, name, penalty, copy.deepcopy(model), subject.task, self.lr)
            for name, penalty in penalties.items()
            for start, model in (("original", subject.model), ("shifted", moved))
        ]
        for walk in walks:
            for batch in self._batches(subject.task.train):
                walk.step(batch)
        curves: dict[str, Value] = {f"norm/{w.penalty}/{w.start}": w.curve() for w in walks}
        return {**curves, "first": _table(walks)}

    def _batches(self, train: Split) -> list[Split]:
        """The first batches of as many epochs as it takes, the same for every walk."""
        found: list[Split] = []
        while len(found) < self.steps:
            epoch = batches(train, self.batch_size, seed=0, epoch=len(found))
            found += [Split(x, y) for x, y in epoch]
        return found[: self.steps]


def _table(walks: list[Walk]) -> Table:
    return Table(
        columns={
            "start": [walk.start for walk in walks],
            "penalty": [walk.penalty for walk in walks],
            "norm before": [number(walk.norms[0]) for walk in walks],
            "norm after": [number(walk.norms[1]) for walk in walks],
            "loss after": [number(walk.first[0]) for walk in walks],
            "logit change": [number(walk.first[1]) for walk in walks],
        }
    )
