from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from worker.lab.core.input_attack import LpAttack
from worker.lab.core.random_search import random_search
from worker.lab.core.victim import Victim


class Square(LpAttack):
    """Square Attack: a random search over square windows that needs no gradient.

    A try changes the input in one square window, at the walls of the budget, and is kept where
    the margin max_{j≠y} z_j − z_y grows. Windows shrink with the
    tries. Points of a few inputs have no windows: there linf flips the sign of
    every input at random, and l2 turns the change at random [derived].

    It asks only for the network's answers, so a network that hides its gradient does not escape
    it: where it fools more than PGD does, PGD's number means nothing. On networks with honest
    gradients it is the weaker and slower attack.
    """

    title: ClassVar[str] = "Square"
    paper: ClassVar[str] = (
        "arXiv:1912.00049 Square Attack: a query-efficient black-box adversarial attack via "
        "random search"
    )
    passes: ClassVar[tuple[str, ...]] = ("queries",)

    norm: Literal["linf", "l2"] = Field(
        "linf", description="linf: the largest change of an input; l2: the change's length"
    )
    queries: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="looks at the network an example gets; the standard ensemble takes 5000"
    )
    first_window: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="share of the image that the first window covers"
    )

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        yield from random_search(victim, self.queries, self.first_window)
        return victim.best
