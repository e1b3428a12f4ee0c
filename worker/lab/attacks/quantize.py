from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar

from pydantic import Field

from worker.lab.core.balls import WeightBall
from worker.lab.core.budget import RELATIVE_LINF, Budget
from worker.lab.core.quantise import bits_within, quantised
from worker.lab.core.weight_attack import WeightAttack
from worker.lab.core.weight_victim import Found, WeightVictim


class Quantize(WeightAttack):
    """Weights rounded to a few bits: how far a budget of rounding carries the network.

    To m bits, symmetric, one scale s = max|w| / (2^(m−1) − 1) a tensor: ŵ = s · round(w / s). This
    moves no weight by more than max|w| / (2^m − 2), so that m-bit quantisation is one point of the
    relative linf ball with eps = 1 / (2^m − 2) [derived], and the budget here is that eps: the
    fewest bits within it are taken. 8 bits are eps 0.0040, 6 are 0.0165, 5 are 0.034, 4 are
    0.072, 3 are 0.17, 2 are 0.5 (rounded up). Relative linf weight PGD at the same eps is the
    worst case that rounding of any kind could be.
    """

    title: ClassVar[str] = "Quantisation"
    paper: ClassVar[str] = (
        "arXiv:2006.13977 Bit Error Robustness for Energy-Efficient DNN Accelerators"
    )
    adversarial: ClassVar[bool] = False
    most: ClassVar[float] = 1.0
    budgets: ClassVar[tuple[Budget, ...]] = (
        Budget(RELATIVE_LINF, (0.0, 0.004, 0.008, 0.0165, 0.034, 0.072, 0.17, 0.5)),
    )
    passes: ClassVar[tuple[str, ...]] = ("1",)

    eps: Annotated[float, Field(ge=0, le=1)] = Field(
        0.072, description="largest rounding, where no grid of budgets is given"
    )

    def region(self, eps: float) -> WeightBall:
        return WeightBall("linf", eps, relative=True)

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        bits = bits_within(eps)
        yield from victim.draw({n: quantised(at, bits) for n, at in victim.center.items()})
        return victim.drawn
