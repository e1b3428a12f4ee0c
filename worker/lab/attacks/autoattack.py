from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from worker.lab.core.auto_pgd import auto_climb
from worker.lab.core.fast_boundary import follow_boundary
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.random_search import random_search
from worker.lab.core.victim import Victim

FIRST_WINDOW = 0.8


class Autoattack(LpAttack):
    """AutoAttack: the standard ensemble of four attacks, the worst case point by point.

    In this order, each on what still stands: APGD on cross-entropy; APGD on the targeted logit
    ratio, once for each of the likeliest wrong classes; targeted FAB, likewise; Square. The
    standard version: no restarts, 100 steps, nine targets, 5000 queries, the defaults here.
    Without Square, queries being 0, it is most of the price cheaper and blind to hidden gradients.

    What still stands is no proof: a certificate is. The loss along the attack is that of the
    first of the four.
    """

    title: ClassVar[str] = "AutoAttack"
    paper: ClassVar[str] = (
        "arXiv:2003.01690 Reliable Evaluation of Adversarial Robustness with an Ensemble of "
        "Diverse Parameter-free Attacks"
    )
    passes: ClassVar[tuple[str, ...]] = ("steps", "steps*targets", "steps*targets", "queries")

    norm: Literal["linf", "l2"] = Field(
        "linf", description="linf: the largest change of an input; l2: the change's length"
    )
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="gradient steps of each APGD and FAB run"
    )
    targets: Annotated[int, Field(ge=1, le=1000)] = Field(
        9, description="target classes, the likeliest first"
    )
    queries: Annotated[int, Field(ge=0, le=100_000)] = Field(
        5000, description="looks that Square takes at an example; 0 leaves it out"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        parts = list(self._parts(victim))
        for index, part in enumerate(parts):
            for share in part:
                yield (index + share) / len(parts)
        return victim.best

    def _parts(self, victim: Victim) -> Iterator[Iterator[float]]:
        ranks = range(min(self.targets, victim.wrong_classes))
        yield self._climb(victim, None)
        for rank in ranks:
            yield self._climb(victim, rank)
        for rank in ranks:
            target = victim.targets(rank)
            yield follow_boundary(victim, victim.x, steps=self.steps, target=target)
        if self.queries:
            yield random_search(victim, self.queries, FIRST_WINDOW)

    def _climb(self, victim: Victim, rank: int | None) -> Iterator[float]:
        start = victim.ball.start(victim.x, victim.generator)
        if rank is None:
            return auto_climb(victim, start, steps=self.steps, loss="ce")
        target = victim.targets(rank)
        return auto_climb(victim, start, steps=self.steps, loss="dlr", target=target)
