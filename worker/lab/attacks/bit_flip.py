from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar

from pydantic import Field

from worker.lab.core.attack import within
from worker.lab.core.budget import Budget
from worker.lab.core.quantise import Flips, codes, decoded, draw_flips, flipped
from worker.lab.core.weight_attack import WeightAttack
from worker.lab.core.weight_victim import Found, WeightVictim


class BitFlip(WeightAttack):
    """Random bit errors in quantised weights, each bit with the same probability.

    Weights become whole numbers of m bits in two's complement, one scale max|w| / (2^(m−1) − 1) a
    tensor; every bit is flipped with probability p, independently, and the numbers become weights
    again. The budget is p. At p = 0 nothing is done, not even quantised; from there on the
    curve includes what the quantisation alone costs.

    This is chance, not an adversary: memory run at too low a voltage. The accuracy is that of the
    worst of all error patterns; `mean_accuracy` is the mean over them, from the lowest to the
    highest, which is what papers report (50 patterns). Symmetric and signed is the plain
    quantisation; the paper's own, asymmetric and unsigned, is more robust to errors.
    """

    title: ClassVar[str] = "Bit flips"
    paper: ClassVar[str] = (
        "arXiv:2006.13977 Bit Error Robustness for Energy-Efficient DNN Accelerators"
    )
    adversarial: ClassVar[bool] = False
    unit: ClassVar[str] = "probability"
    most: ClassVar[float] = 1.0
    budgets: ClassVar[tuple[Budget, ...]] = (
        Budget("p, probability that a bit flips", (0.0, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.025)),
    )
    passes: ClassVar[tuple[str, ...]] = ("draws",)

    eps: Annotated[float, Field(ge=0, le=1)] = Field(
        0.01, description="probability of a flip, where no grid of budgets is given"
    )
    bits: Annotated[int, Field(ge=2, le=16)] = Field(8, description="bits of a weight, m")
    draws: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="error patterns drawn")

    def region(self, eps: float) -> Flips:
        return Flips(self.bits, eps)

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        whole = {name: codes(at, self.bits) for name, at in victim.center.items()}
        for index in range(self.draws):
            w = {}
            for name, at in victim.center.items():
                flips = draw_flips(at, self.bits, eps, victim.generator)
                w[name] = decoded(flipped(whole[name], flips, self.bits), at, self.bits)
            yield from within(victim.draw(w), index, self.draws)
        return victim.drawn
