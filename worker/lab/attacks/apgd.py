from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from worker.lab.core.attack_loss import Loss
from worker.lab.core.auto_pgd import auto_climb
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.victim import Victim


class Apgd(LpAttack):
    """Auto-PGD: projected gradient ascent with momentum that sets its own step size.

    z = Π(x_k + η u(∇L)), x_{k+1} = Π(x_k + α (z − x_k) + (1 − α)(x_k − x_{k−1})), algorithm 1 of
    the paper, with α = 0.75. η starts at 2 eps and is halved at checkpoints where too few steps
    went up or nothing improved; the climb then goes on from its best point. l1: sparse steps as
    in arXiv:2103.01208.

    loss: ce; dlr, the margin over z_π1 − z_π3; targeted_dlr, (z_t − z_y) / (z_π1 −
    (z_π3 + z_π4) / 2), once for each of the likeliest wrong classes t. With three
    classes or fewer the π that are missing are left out [derived].

    A stronger measure than PGD at the same number of steps, as no step size has to be chosen; it
    is still an upper bound on robustness.
    """

    title: ClassVar[str] = "APGD"
    paper: ClassVar[str] = (
        "arXiv:2003.01690 Reliable Evaluation of Adversarial Robustness with an Ensemble of "
        "Diverse Parameter-free Attacks"
    )

    steps: Annotated[int, Field(ge=1, le=1000)] = Field(100, description="gradient steps a run")
    restarts: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="runs an example gets until it is fooled"
    )
    loss: Literal["ce", "dlr", "targeted_dlr"] = Field(
        "ce", description="what to climb: cross-entropy, logit ratio, or that ratio by target class"
    )
    targets: Annotated[int, Field(ge=1, le=1000)] = Field(
        9, description="target classes of targeted_dlr, the likeliest first"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        runs = list(self._runs(victim))
        for index, target in enumerate(runs):
            loss: Loss = "ce" if self.loss == "ce" else "dlr"
            start = victim.ball.start(victim.x, victim.generator)
            for share in auto_climb(victim, start, steps=self.steps, loss=loss, target=target):
                yield (index + share) / len(runs)
        return victim.best

    def _runs(self, victim: Victim) -> Generator[Tensor | None]:
        """What each run aims at."""
        for _ in range(self.restarts):
            if self.loss != "targeted_dlr":
                yield None
                continue
            for rank in range(min(self.targets, victim.wrong_classes)):
                yield victim.targets(rank)
