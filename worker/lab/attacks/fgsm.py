from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

from torch import Tensor

from worker.lab.core.input_attack import LpAttack
from worker.lab.core.victim import Victim


class Fgsm(LpAttack):
    """The fast gradient sign method: one step along the input gradient.

    linf: x' = clip(x + eps · sign(∇ₓ CE(f(x), y)), 0, 1), equation in section 4 of the paper.
    l2: x' = Π(x + eps · ∇ₓ CE / ‖∇ₓ CE‖₂); l1: the inputs of the largest gradient are moved to the
    wall of [0, 1] until eps is spent; the same argument in other norms [derived].

    It is exact for linear networks (in l2 away from the walls) and cheap, but a weak measure of
    robustness: a network trained against it can hide its gradient. eps is in input units, inputs
    are in [0, 1].
    """

    title: ClassVar[str] = "FGSM"
    paper: ClassVar[str] = "arXiv:1412.6572 Explaining and Harnessing Adversarial Examples"
    passes: ClassVar[tuple[str, ...]] = ("1",)

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        yield from victim.climb(victim.x, steps=1, lr=1.0, loss="ce")
        return victim.best
