"""Accuracy over two budgets at once: of the inputs and of the weights."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from worker.contract.measurement import Surface, Value
from worker.contract.spec import Choice
from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.nested import known
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.task import Split

Grid = list[Annotated[float, Field(ge=0, le=1000)]]


class JointGrid(Probe):
    """What is left where inputs and weights may both move, over a small grid of the two budgets.

    Each network (the job's own, then the peers) is attacked by itself at each pair of budgets, on
    `examples` of the split from `start` on; `attack` says how, its own eps_w aside. What fools an
    example within smaller budgets is allowed within larger ones, so that a number counts for all
    pairs above it too [derived]: a joint search may do worse than one of weights alone.

    `accuracy/<n>` is a surface of network n: the share still right, rows over eps_w. A search has
    found this much; the worst case leaves no more.
    """

    title: ClassVar[str] = "Inputs and weights together"
    paper: ClassVar[str] = "arXiv:2102.11935 Non-Singular Adversarial Robustness of Neural Networks"

    split: Literal["test", "train"] = Field("test", description="where to take examples from")
    start: Annotated[int, Field(ge=0, le=10_000_000)] = Field(0, description="place of the first")
    examples: Annotated[int, Field(ge=1, le=200)] = Field(48, description="how many")
    attack: Annotated[Choice, known("attack")] = Field(
        Choice.model_validate({"name": "joint", "steps": 5, "step_size": 0.4, "restarts": 1}),
        description="who attacks",
        validate_default=True,
        json_schema_extra={"choice": "attack", "where": {"moves": "both"}},
    )
    eps_x: Grid = Field(
        [0.0, 0.05, 0.1, 0.2], min_length=1, max_length=12, description="budgets of an input"
    )
    eps_w: Grid = Field(
        [0.0, 0.002, 0.005, 0.01], min_length=1, max_length=12, description="and of the weights"
    )

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        attack = Attack.of(self.attack)
        if attack.moves != "both":
            raise LabError("bad_spec", f"attack: {self.attack.name} does not move both")
        shown = subject.examples(self.split, self.start, self.examples)
        networks = enumerate((subject.model, *subject.peers))
        return {f"accuracy/{place}": self._surface(attack, m, shown) for place, m in networks}

    def _surface(self, attack: Attack, model: nn.Module, shown: Split) -> Surface:
        eps_x, eps_w = sorted(self.eps_x), sorted(self.eps_w)
        left = [[_left(attack, model, shown, x, w) for x in eps_x] for w in eps_w]
        found = torch.tensor(left, dtype=torch.float64)
        return Surface(
            x=eps_x,
            y=eps_w,
            z=found.cummin(0).values.cummin(1).values.tolist(),
            x_label=attack.budget.label,
            y_label="eps_w, change of the weights",
            z_label="accuracy",
        )


def _left(attack: Attack, model: nn.Module, shown: Split, eps: float, eps_w: float) -> float:
    """The share of examples still right at a pair of budgets."""
    both = attack.model_copy(update={"eps_w": eps_w})
    result = both.run(model, shown.x, shown.y, eps=eps)
    return 1 - float(result.fooled.double().mean())
