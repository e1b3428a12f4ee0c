from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.ascend import slope
from worker.lab.core.attack_loss import ce
from worker.lab.core.errors import LabError
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.point import Point
from worker.lab.core.victim import Aim, Victim, unit


class Transfer(LpAttack):
    """Adversarial examples made on another job's network, and tried on this one.

    The momentum iterative method on the other network: m ← μ m + g / ‖g‖₁ with
    g = ∇ₓ L(f_other(x), y), x ← Π(x + step_size · eps · u(m)), from the clean input; the paper's
    method in linf. An example on which the other network is fooled goes on climbing.
    `transfer_from` of the attack job names the other network; both must know inputs of the same
    shape and the same classes.

    No gradient of the network under attack is used. Where this fools examples that PGD on the
    network itself does not, its gradients are hidden and PGD's number means nothing. The loss
    along the attack is the other network's.
    """

    title: ClassVar[str] = "Transfer"
    paper: ClassVar[str] = "arXiv:1710.06081 Boosting Adversarial Attacks with Momentum"
    adversarial: ClassVar[bool] = False
    transfers: ClassVar[bool] = True
    passes: ClassVar[tuple[str, ...]] = ("steps",)

    steps: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="gradient steps")
    step_size: Annotated[float, Field(gt=0, le=2)] = Field(
        0.1, description="length of a step, as a fraction of eps"
    )
    momentum: Annotated[float, Field(ge=0, le=2)] = Field(
        1.0, description="share of the last direction kept in the next, μ"
    )
    loss: Literal["ce", "margin"] = Field("ce", description="cross-entropy, or margin")

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        if victim.other is None:
            raise LabError("bad_spec", "transfer_from: name the job whose network they are made on")
        x, pace = victim.x, torch.zeros_like(victim.x)
        for step in range(self.steps if victim.ball.eps else 0):
            aim = Aim(victim.other, victim.y, self.loss)
            gradient = slope(aim, Point(x), inputs=True).x
            assert gradient is not None
            victim.losses.append(float(ce(aim.answer, victim.y).mean()))
            pace = self.momentum * pace + unit(gradient)
            x = victim.ball.step(x, pace, self.step_size * victim.ball.eps)
            x = victim.ball.project(x, victim.x)
            yield (step + 1) / self.steps
        victim.ask(victim.standing, x[victim.standing])
        return victim.best
