"""The protocol of attacks on inputs, and the rules that none of them can break."""

from __future__ import annotations

from collections.abc import Generator

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.attack import Attack, Attacked, evaluating
from worker.lab.core.balls import Ball, InputNorm
from worker.lab.core.victim import Victim


class InputAttack(Attack):
    """A search for inputs close to the clean ones that the network gets wrong.

    Examples that the network already gets wrong count as fooled and stay as they are.
    """

    def ball(self, eps: float) -> Ball:
        """Where it may go."""
        raise NotImplementedError

    def inputs(self, eps: float) -> Ball:
        return self.ball(eps)

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        """Look for adversarial inputs (B, *shape) in `victim.ball` and return them.

        Yields the share done after each look at the network, so that a job can tell and stop.
        """
        raise NotImplementedError

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
        eps = self.eps if eps is None else eps
        ball = self.ball(eps)
        generator = generator or torch.Generator().manual_seed(0)
        with evaluating(model), evaluating(other):
            victim = Victim(model, x.clone(), y, ball, generator, other, eps)
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
            raise self.bad(f"returned {found.dtype} {tuple(found.shape)}")
        inside = ball.contains(found, x)
        if not bool(inside.all()):
            size = float(ball.size(found, x).max())
            raise self.bad(
                f"left its budget on {int((~inside).sum())} of {len(x)} examples: "
                f"{ball.norm} up to {size:.6g} of {ball.eps:.6g}, values "
                f"{float(found.min()):.6g} to {float(found.max()):.6g}"
            )
        return ball.project(found.detach(), x)


class LpAttack(InputAttack):
    """An attack on inputs whose budget is a distance."""

    norm: InputNorm = Field(
        "linf",
        description="linf: the largest change of an input; l2: the change's length; "
        "l1: the sum of all changes",
    )

    def ball(self, eps: float) -> Ball:
        return Ball(self.norm, eps)
