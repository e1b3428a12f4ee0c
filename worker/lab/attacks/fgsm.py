from __future__ import annotations

from collections.abc import Generator
from typing import ClassVar

from torch import Tensor

from worker.lab.core.attack import Attack
from worker.lab.core.victim import Victim


class Fgsm(Attack):
    """The fast gradient sign method: one step along the input gradient.

    linf: x' = clip(x + eps · sign(∇ₓ CE(f(x), y)), 0, 1), equation in section 4 of the paper.
    l2: x' = Π(x + eps · ∇ₓ CE / ‖∇ₓ CE‖₂), the same argument in another norm [derived].

    It is exact for linear networks and cheap, but a weak measure of robustness: a network trained
    against it can hide its gradient. eps is in input units, inputs are in [0, 1].
    """

    title: ClassVar[str] = "FGSM"
    paper: ClassVar[str] = "arXiv:1412.6572 Explaining and Harnessing Adversarial Examples"

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        yield from victim.climb(victim.x, steps=1, lr=1.0, loss="ce")
        return victim.best
