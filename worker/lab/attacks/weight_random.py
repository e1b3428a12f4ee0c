from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.attack import within
from worker.lab.core.balls import WeightBall
from worker.lab.core.weight_attack import WeightBallAttack
from worker.lab.core.weight_victim import Found, WeightVictim


class WeightRandom(WeightBallAttack):
    """Random changes of the weights: what chance does, not an adversary.

    sign: every weight moves by the same length, up or down at random; uniform: a point drawn
    uniformly from the ball; gaussian: a normal change, in linf with standard deviation eps / 3
    cut at eps, in l2 rescaled to the radius [derived].

    The accuracy is that of the worst of all draws; `mean_accuracy` is their mean, from the
    lowest to the highest. Where it comes near that of weight PGD, that attack is broken. Relative
    l2 balls and ten draws are the average case of arXiv:2104.04448.
    """

    title: ClassVar[str] = "Random weights"
    paper: ClassVar[str] = (
        "arXiv:2104.04448 Relating Adversarially Robust Generalization to Flat Minima"
    )
    adversarial: ClassVar[bool] = False
    passes: ClassVar[tuple[str, ...]] = ("draws",)

    distribution: Literal["sign", "uniform", "gaussian"] = Field(
        "uniform", description="sign: to a corner; uniform: anywhere; gaussian: normal changes"
    )
    draws: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="changes drawn")

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        ball = self.region(eps)
        for index in range(self.draws):
            w = {name: self._drawn(ball, at, victim) for name, at in victim.center.items()}
            yield from within(victim.draw(w), index, self.draws)
        return victim.drawn

    def _drawn(self, ball: WeightBall, center: Tensor, victim: WeightVictim) -> Tensor:
        if self.distribution == "uniform":
            return ball.start(center, victim.generator)
        way = torch.randn(center.shape, generator=victim.generator).to(center)
        if self.distribution == "sign":
            way = way.sign()
        if ball.norm == "linf":
            length = 1.0 if self.distribution == "sign" else 1 / 3
        else:
            length = 1 / max(float(way.norm()), 1e-30)
        return ball.project(center + ball.radius(center) * length * way, center)
