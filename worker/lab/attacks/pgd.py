from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from worker.lab.core.attack_loss import Loss
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.victim import Victim


class Pgd(LpAttack):
    """Projected gradient descent: many small steps up the loss, from random starts.

    x ← Π(x + step_size · eps · u(∇ₓ L(f(x), y))), section 2.1 of the paper, where u is the sign
    (linf) or g / ‖g‖₂ (l2) and Π projects onto the budget and [0, 1], exactly. In l1 a step moves
    the inputs of the largest gradient as far as [0, 1] lets them [derived]. The worst of all
    restarts counts, point by point; an example once fooled is left alone.

    loss: ce is cross-entropy, whose gradient vanishes where a network is over-confident; margin is
    max_{j≠y} z_j − z_y, which does not (Carlini and Wagner, arXiv:1608.04644); dlr is the margin
    over z_π1 − z_π3, blind to the logits' scale (arXiv:2003.01690); both takes ce in the first run
    and margin in every second one. With momentum μ a step follows m ← μ m + g / ‖g‖₁
    (arXiv:1710.06081). The paper's own settings for MNIST are linf, 40 steps of 0.01 at eps 0.3,
    ce, random starts.
    """

    title: ClassVar[str] = "PGD"
    paper: ClassVar[str] = (
        "arXiv:1706.06083 Towards Deep Learning Models Resistant to Adversarial Attacks"
    )

    steps: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="gradient steps a run")
    step_size: Annotated[float, Field(gt=0, le=2)] = Field(
        0.1, description="length of a step, as a fraction of eps"
    )
    random_start: bool = Field(
        True, description="start inside the budget at random; later runs always do"
    )
    restarts: Annotated[int, Field(ge=1, le=100)] = Field(
        2, description="runs an example gets until it is fooled"
    )
    loss: Literal["both", "ce", "margin", "dlr"] = Field(
        "both", description="what to climb: cross-entropy, margin, both in turns, or logit ratio"
    )
    momentum: Annotated[float, Field(ge=0, le=2)] = Field(
        0.0, description="share of the last direction kept in the next, μ"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        for run in range(self.restarts):
            for share in victim.climb(
                self._start(victim, run),
                steps=self.steps,
                lr=self.step_size,
                loss=self._loss(run),
                momentum=self.momentum,
            ):
                yield (run + share) / self.restarts
        return victim.best

    def _start(self, victim: Victim, run: int) -> Tensor:
        if self.random_start or run:
            return victim.ball.start(victim.x, victim.generator)
        return victim.x

    def _loss(self, run: int) -> Loss:
        if self.loss == "both":
            return "margin" if run % 2 else "ce"
        return self.loss
