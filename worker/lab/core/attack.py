"""What every attack has in common, whatever it moves."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.balls import Ball
from worker.lab.core.budget import INPUTS, Budget
from worker.lab.core.errors import LabError
from worker.lab.core.registry import Spec

Weights = dict[str, Tensor]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Attacked:
    """What came of an attack on examples (B).

    `prediction`, `fooled` and `size` are of x, under the weights w that were moved, in a fresh
    forward pass after the attack ended; `claimed` is what the attack itself saw. `loss` is the mean
    cross-entropy along the attack. Of `gradients` asked for, one an example or a weight tensor
    and step, `zeros` were zero. `draws` are the accuracies of all that was drawn at random.
    """

    x: Tensor
    prediction: Tensor
    fooled: Tensor
    claimed: Tensor
    size: Tensor
    loss: tuple[float, ...]
    gradients: int
    zeros: int
    eval_mode: bool
    w: Weights = field(default_factory=dict)
    draws: tuple[float, ...] = ()

    @property
    def zero_gradients(self) -> float:
        """The share of gradients that were zero; zero where none was asked for."""
        return self.zeros / self.gradients if self.gradients else 0.0


class Attack(Spec):
    """A search for a point near the clean one, in inputs or weights, where the network errs.

    A subclass searches. What runs it puts the network into eval mode and back, cuts rounding off
    what the search returns, refuses what is outside the budget, and scores it again.

    `moves`: an attack on inputs treats each example alone, batch by batch; one on weights finds
    one set of weights for all examples. `adversarial` is false for what looks for no worst case
    of the network itself.
    `unit` is what one grid of budgets must share, `most` the largest budget that has a meaning.
    `passes` are products of parameters that add up to the looks at the network. An attack that
    `transfers` needs a second network.
    """

    kind: ClassVar[str] = "attack"
    moves: ClassVar[Literal["inputs", "weights", "both"]] = "inputs"
    adversarial: ClassVar[bool] = True
    transfers: ClassVar[bool] = False
    unit: ClassVar[str] = "input units"
    most: ClassVar[float] = 1000.0
    budgets: ClassVar[tuple[Budget, ...]] = INPUTS
    passes: ClassVar[tuple[str, ...]] = ("steps*restarts",)

    eps: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.1, description="budget in its own unit, where no grid of budgets is given"
    )

    @classmethod
    def facts(cls) -> dict[str, Any]:
        return {
            **super().facts(),
            "moves": cls.moves,
            "unit": cls.unit,
            "most": cls.most,
            "budgets": [budget.fact() for budget in cls.budgets],
            "passes": list(cls.passes),
            "transfers": cls.transfers,
        }

    @property
    def budget(self) -> Budget:
        """What eps means with these parameters."""
        return next(b for b in self.budgets if b.fits(self.__dict__))

    def idle(self, eps: float) -> bool:
        """Whether nothing may move at this budget."""
        return eps == 0

    def inputs(self, eps: float) -> Ball | None:
        """Where the inputs may go; None where they stay."""
        return None

    def walk(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float | None = None,
        generator: torch.Generator | None = None,
        other: nn.Module | None = None,
    ) -> Generator[float, None, Attacked]:
        """`run`, pausing after every look at the network with the share done; closing it leaves
        the model as it was."""
        raise NotImplementedError

    def run(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float | None = None,
        generator: torch.Generator | None = None,
        other: nn.Module | None = None,
    ) -> Attacked:
        """Attack inputs x (B, *shape) in [0, 1] with labels y (B,), untargeted.

        `other` is the network that a transferred attack is made on. Raises LabError:
        "bad_attack" if the search breaks the rules, "bad_model" if the network's outputs on x are
        not finite.
        """
        walk = self.walk(model, x, y, eps=eps, generator=generator, other=other)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                result: Attacked = end.value
                return result

    def bad(self, why: str) -> LabError:
        return LabError("bad_attack", f"attack {self.name()} {why}")


def within(
    walk: Generator[float, None, Result], index: int, count: int
) -> Generator[float, None, Result]:
    """One of `count` parts of a search: its shares as shares of the whole."""
    while True:
        try:
            share = next(walk)
        except StopIteration as end:
            found: Result = end.value
            return found
        yield (index + share) / count


@contextlib.contextmanager
def evaluating(model: nn.Module | None) -> Iterator[None]:
    """The network in eval mode, and afterwards every part of it in the mode it was in."""
    modules = [] if model is None else list(model.modules())
    modes = [(module, module.training) for module in modules]
    if model is not None:
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
