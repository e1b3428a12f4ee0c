"""The protocol of every attack on inputs, and the rules that none of them can break."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.balls import Ball, Norm
from worker.lab.core.errors import LabError
from worker.lab.core.registry import Spec
from worker.lab.core.victim import Victim


@dataclass(frozen=True)
class Attacked:
    """What came of an attack on a batch (B).

    `prediction`, `fooled` and `size` are of x in a fresh forward pass after the attack ended;
    `claimed` is what the attack itself saw. `loss` is the mean cross-entropy along the attack.
    Of `gradients` asked for, one an example and step, `zeros` were zero.
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

    @property
    def zero_gradients(self) -> float:
        """The share of gradients that were zero; zero where none was asked for."""
        return self.zeros / self.gradients if self.gradients else 0.0


class Attack(Spec):
    """A search for inputs close to the clean ones that the network gets wrong.

    A subclass searches; this class puts the network into eval mode and back, cuts rounding off
    what the search returns, refuses what is outside the budget, and scores it again.
    """

    kind: ClassVar[str] = "attack"

    norm: Norm = Field(
        "linf", description="linf: the largest change of an input; l2: the change's length"
    )
    eps: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.1, description="budget in input units, where no grid of budgets is given"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        """Look for adversarial inputs (B, *shape) in `victim.ball` and return them.

        Yields the share done after each look at the network, so that a job can tell and stop.
        """
        raise NotImplementedError

    def run(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Attacked:
        """Attack inputs x (B, *shape) in [0, 1] with labels y (B,), untargeted.

        Examples that the network already gets wrong count as fooled and stay as they are.
        Raises LabError: "bad_attack" if the search breaks the rules, "bad_model" if the
        network's outputs on x are not finite.
        """
        walk = self.walk(model, x, y, eps=eps, generator=generator)
        while True:
            try:
                next(walk)
            except StopIteration as end:
                result: Attacked = end.value
                return result

    def walk(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        *,
        eps: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Generator[float, None, Attacked]:
        """`run`, pausing after every look at the network; closing it leaves the model as it was."""
        ball = Ball(self.norm, self.eps if eps is None else eps)
        generator = generator or torch.Generator().manual_seed(0)
        with evaluating(model):
            victim = Victim(model, x.clone(), y, ball, generator)
            found = self._verified((yield from self.search(victim)), x, ball)
            claimed = victim.fooled.clone()
            prediction = victim.look(found).argmax(1)
        return Attacked(
            x=found,
            prediction=prediction,
            fooled=prediction != y,
            claimed=claimed,
            size=ball.size(found, x),
            loss=tuple(victim.losses),
            gradients=victim.gradients,
            zeros=victim.zeros,
            eval_mode=victim.eval_mode,
        )

    def _verified(self, found: Tensor, x: Tensor, ball: Ball) -> Tensor:
        """What the search returned, cut to ball and box; only rounding may have to be cut."""
        if found.shape != x.shape or found.dtype != x.dtype:
            raise self._bad(f"returned {found.dtype} {tuple(found.shape)}")
        inside = ball.contains(found, x)
        if not bool(inside.all()):
            size = float(ball.size(found, x).max())
            raise self._bad(
                f"left its budget on {int((~inside).sum())} of {len(x)} examples: "
                f"{ball.norm} up to {size:.6g} of {ball.eps:.6g}, values "
                f"{float(found.min()):.6g} to {float(found.max()):.6g}"
            )
        return ball.project(found.detach(), x)

    def _bad(self, why: str) -> LabError:
        return LabError("bad_attack", f"attack {self.name()} {why}")


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The network in eval mode, and afterwards every part of it in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
