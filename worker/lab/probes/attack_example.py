"""One example under attack, step by step."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.contract.measurement import Curve, Table, Value, number
from worker.contract.spec import Choice
from worker.lab.core.attack import Attack, Attacked
from worker.lab.core.errors import LabError
from worker.lab.core.frail import first_frail
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.look_out import LookOut
from worker.lab.core.nested import known
from worker.lab.core.picture import moved
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.task import Split


class AttackExample(Probe):
    """An attack on one example: the picture before and after, and how the network came to err.

    Each network (the job's own, then the peers) is attacked by itself within the same budget.
    `index` is the example's place. `probabilities` is a table of classes with each network's
    probability before and after, `outcome` one of its prediction before and after and the size of
    the change.
    `true/<n>` and `taken/<n>` are the probabilities of the true class and of the one predicted at
    last over the attack's looks at network n; `pictures` holds an image's clean, perturbation
    (centred, of its own scale) and attacked picture.
    """

    title: ClassVar[str] = "Attack one example"

    split: Literal["test", "train"] = Field("test", description="where to take it from")
    index: Annotated[int, Field(ge=-1, le=10_000_000)] = Field(
        -1, description="its place there; -1: the first that FGSM turns"
    )
    attack: Annotated[Choice, known("attack")] = Field(
        Choice.model_validate({"name": "pgd"}),
        description="who attacks",
        validate_default=True,
        json_schema_extra={"choice": "attack", "where": {"moves": "inputs", "transfers": False}},
    )
    eps: Annotated[float, Field(ge=0, le=1000)] = Field(0.1, description="budget, its own unit")

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        attack = Attack.of(self.attack)
        if not isinstance(attack, InputAttack) or attack.transfers:
            raise LabError("bad_spec", f"attack: {self.attack.name} moves no inputs by itself")
        turned = self.index < 0
        at = first_frail(subject, self.split, attack, self.eps) if turned else self.index
        one = subject.example(self.split, at)
        tries = [_Try.of(attack, model, one, self.eps) for model in (subject.model, *subject.peers)]
        found: dict[str, Value] = {"index": float(at), "label": float(one.y[0])}
        found["outcome"] = _outcome(tries)
        found["probabilities"] = _probabilities(subject.task.classes, tries)
        for place, made in enumerate(tries):
            found[f"true/{place}"] = made.curve(int(one.y[0]), "probability of the true class")
            found[f"taken/{place}"] = made.curve(made.after, "probability of the class taken")
        if subject.task.layout == "image":
            found["pictures"] = moved(one.x[0].cpu(), [made.change for made in tries])
        return found


class _Try:
    """An attack on one network."""

    def __init__(self, result: Attacked, seen: list[Tensor], x: Tensor) -> None:
        self.result, self.seen = result, seen
        self.before, self.after = int(seen[0].argmax()), int(result.prediction[0])
        self.change = (result.x - x)[0].cpu()

    @classmethod
    def of(cls, attack: Attack, model: nn.Module, one: Split, eps: float) -> _Try:
        watched = LookOut(model)
        return cls(attack.run(watched, one.x, one.y, eps=eps), watched.seen, one.x)

    def curve(self, category: int, label: str) -> Curve:
        return Curve(
            x=list(range(len(self.seen))),
            y=[number(float(chances[category])) for chances in self.seen],
            x_label="look at the network",
            y_label=label,
        )


def _probabilities(classes: tuple[str, ...], tries: list[_Try]) -> Table:
    columns: dict[str, list[float | str | bool | None]] = {"class": list(classes)}
    for place, made in enumerate(tries):
        columns[f"clean {place}"] = [number(chance) for chance in made.seen[0].tolist()]
        columns[f"attacked {place}"] = [number(chance) for chance in made.seen[-1].tolist()]
    return Table(columns=columns)


def _outcome(tries: list[_Try]) -> Table:
    return Table(
        columns={
            "before": [made.before for made in tries],
            "after": [made.after for made in tries],
            "fooled": [bool(made.result.fooled[0]) for made in tries],
            "size": [number(float(made.result.size[0])) for made in tries],
            "looks": [len(made.seen) for made in tries],
        }
    )
