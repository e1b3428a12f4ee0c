"""What the evaluation card of one attack looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from worker.lab.core.attack import Attack
from worker.lab.core.tally import Tally
from worker.lab.core.task import Split, Task

PROBE = 200
"""Examples that a probe looks at: the first ones."""

CHANCE = 0.005
"""The share of examples that randomness and rounding may move."""


@dataclass(frozen=True)
class Check:
    """`passed` is None where it is no fault, yet a number to be careful with."""

    check: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Trial:
    """What the checks of one attack look at; the network is in eval mode.

    The probe is a few examples; `sample` is what an attack can be tried on again: the probe, or all
    examples where they share the weights that move.
    """

    model: nn.Module
    task: Task
    data: Split
    clean: Tensor
    tally: Tally
    tallies: Sequence[Tally]
    seed: int
    other: nn.Module | None = None
    probe: Split = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "probe", self.data.head(PROBE))

    @property
    def attack(self) -> Attack:
        return self.tally.attack

    @property
    def sample(self) -> Split:
        return self.probe if self.attack.moves == "inputs" else self.data

    @property
    def largest(self) -> float:
        return max(self.tally.grid)

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)
