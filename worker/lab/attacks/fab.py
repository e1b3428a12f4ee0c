from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from worker.lab.core.fast_boundary import follow_boundary
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.victim import Victim


class Fab(LpAttack):
    """Fast adaptive boundary attack: walks along the decision boundary to its nearest point.

    At each step the boundary between the label and a target class is the hyperplane of the
    linearised logits; the next point mixes the shortest ways to it, within [0, 1], from where the
    attack stands and from the clean input, with the paper's α_max = 0.1, η = 1.05, β = 0.9.
    Targeted (FAB-T of arXiv:2003.01690): once for each of the likeliest wrong classes.

    It looks for the smallest change and not for the largest loss, so it is blind to neither the
    scale of the logits nor to eps, which only says when a change is small enough; an example is
    left alone once it is. Later runs start inside half the budget at random.
    """

    title: ClassVar[str] = "FAB"
    paper: ClassVar[str] = (
        "arXiv:1907.02044 Minimally distorted Adversarial Examples with a Fast Adaptive "
        "Boundary Attack"
    )
    passes: ClassVar[tuple[str, ...]] = ("steps*restarts*targets",)

    steps: Annotated[int, Field(ge=1, le=1000)] = Field(30, description="steps a run and target")
    restarts: Annotated[int, Field(ge=1, le=100)] = Field(
        1, description="runs an example gets with each target until it is fooled"
    )
    targets: Annotated[int, Field(ge=1, le=1000)] = Field(
        9, description="target classes, the likeliest first"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        ranks = min(self.targets, victim.wrong_classes)
        for run in range(self.restarts * ranks):
            start = victim.x
            if run >= ranks:
                start = (start + victim.ball.start(start, victim.generator)) / 2
            target = victim.targets(run % ranks)
            for share in follow_boundary(victim, start, steps=self.steps, target=target):
                yield (run + share) / (self.restarts * ranks)
        return victim.best
