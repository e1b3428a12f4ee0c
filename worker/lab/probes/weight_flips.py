"""Which predictions flip as the weights are moved further."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.contract.measurement import Curve, Table, Value, number
from worker.contract.spec import Choice
from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.nested import known
from worker.lab.core.picture import picture
from worker.lab.core.point import Point, look
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.task import Split

TOLD = 0.01
"""Probabilities below are not told: a hundred classes would be a long answer."""


class WeightFlips(Probe):
    """One change of the weights that a few examples share: which predictions flip as it grows.

    Each network (the job's own, then the peers) is attacked by itself, budget by budget, on
    `examples` of the split from `start` on. A prediction has flipped where it is not the one at
    the network's own weights, right or wrong. The change is found on the examples it is measured
    on, and by a search: the worst change in the budget may flip more, never fewer.

    `flipped/<n>` and `accuracy/<n>` are shares of these examples over eps at network n, and
    `seen/<n>` the class predicted of each at the n-th budget. `chances/<n>` lists the
    probabilities of at least 1 % by example, number of the budget and class.
    """

    title: ClassVar[str] = "Predictions that flip"

    split: Literal["test", "train"] = Field("test", description="where to take examples from")
    start: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="place of the first")
    examples: Annotated[int, Field(ge=1, le=200)] = Field(48, description="that share the change")
    attack: Annotated[Choice, known("attack")] = Field(
        Choice.model_validate({"name": "weight_pgd"}),
        description="who attacks",
        validate_default=True,
        json_schema_extra={"choice": "attack", "where": {"moves": "weights"}},
    )
    eps_grid: list[Annotated[float, Field(ge=0, le=1000)]] = Field(
        [0.0, 0.001, 0.002, 0.005, 0.01, 0.02],
        min_length=1,
        max_length=16,
        description="budgets, in the attack's own unit",
    )
    pictures: bool = Field(False, description="whether to show the examples, where they are images")

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        attack = Attack.of(self.attack)
        if attack.moves != "weights":
            raise LabError("bad_spec", f"attack: {self.attack.name} does not move weights alone")
        shown = subject.examples(self.split, self.start, self.examples)
        found: dict[str, Value] = {}
        for place, model in enumerate((subject.model, *subject.peers)):
            chances = torch.stack([_moved(attack, model, shown, eps) for eps in self.eps_grid])
            with torch.no_grad():
                own = model(shown.x).argmax(1).cpu()
            seen, y = chances.argmax(2), shown.y.cpu()
            found[f"flipped/{place}"] = self._curve(attack, seen != own, "predictions that flip")
            found[f"accuracy/{place}"] = self._curve(attack, seen == y, "accuracy")
            found[f"seen/{place}"] = self._seen(subject.task.classes, y, seen)
            found[f"chances/{place}"] = self._chances(subject.task.classes, chances)
        if self.pictures and subject.task.layout == "image":
            found["pictures"] = picture(shown.x)
        return found

    def _curve(self, attack: Attack, hits: Tensor, label: str) -> Curve:
        shares = hits.double().mean(1).tolist()
        return Curve(x=list(self.eps_grid), y=shares, x_label=attack.budget.label, y_label=label)

    def _seen(self, classes: tuple[str, ...], y: Tensor, seen: Tensor) -> Table:
        columns: dict[str, list[float | str | bool | None]] = {
            "example": list(range(self.start, self.start + len(y))),
            "label": [classes[at] for at in y.tolist()],
        }
        for row, found in enumerate(seen.tolist()):
            columns[str(row)] = [classes[at] for at in found]
        return Table(columns=columns)

    def _chances(self, classes: tuple[str, ...], chances: Tensor) -> Table:
        rows, examples, kinds = (chances >= TOLD).nonzero().T.tolist()
        return Table(
            columns={
                "example": [self.start + at for at in examples],
                "budget": rows,
                "class": [classes[at] for at in kinds],
                "probability": [number(p) for p in chances[rows, examples, kinds].tolist()],
            }
        )


def _moved(attack: Attack, model: nn.Module, shown: Split, eps: float) -> Tensor:
    """The probabilities (N, K) at the weights that the attack finds."""
    result = attack.run(model, shown.x, shown.y, eps=eps)
    with torch.no_grad():
        chances: Tensor = look(model, Point(shown.x, result.w)).softmax(1)
    return chances.cpu()
