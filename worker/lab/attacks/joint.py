from __future__ import annotations

from collections.abc import Generator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field

from worker.lab.core.attack import within
from worker.lab.core.balls import Ball, InputNorm, WeightBall
from worker.lab.core.budget import INPUTS, Budget
from worker.lab.core.victim import Victim
from worker.lab.core.weight_attack import WeightAttack
from worker.lab.core.weight_victim import At, Found, WeightVictim


class Joint(WeightAttack):
    """Inputs and weights moved together: each example its own change, one change of the weights.

    Both climb the same loss by projected steps, x ← Π(x + step_size · eps · u(∇ₓL)) for every
    example and w ← Π(w + step_size · radius · u(∇_w mean L)) for every tensor, from one gradient.
    The worst point of all runs is kept; there the inputs climb once more with the weights held.
    eps, the grid, is about inputs; eps_w about weights. At eps 0 it is weight PGD, at eps_w 0 PGD.

    Derived: the paper's abstract and set-up were available, the settings of its attack were not. A
    network trained against one of the two need not withstand the other, or both: that is its point.
    """

    title: ClassVar[str] = "Joint PGD"
    paper: ClassVar[str] = "arXiv:2102.11935 Non-Singular Adversarial Robustness of Neural Networks"
    moves: ClassVar[Literal["inputs", "weights", "both"]] = "both"
    unit: ClassVar[str] = "input units"
    budgets: ClassVar[tuple[Budget, ...]] = INPUTS
    passes: ClassVar[tuple[str, ...]] = ("steps*restarts*2", "steps")

    norm: InputNorm = Field(
        "linf", description="of an input's change: its largest entry, its length, or their sum"
    )
    eps_w: Annotated[float, Field(ge=0, le=1000)] = Field(
        0.005, description="budget of the weights, tensor by tensor"
    )
    weight_norm: Literal["linf", "l2"] = Field(
        "linf", description="linf: the largest change of a weight; l2: the change's length"
    )
    relative: bool = Field(
        False, description="whether eps_w is a share of the tensor's own norm, not a change itself"
    )
    steps: Annotated[int, Field(ge=1, le=2000)] = Field(40, description="gradient steps a run")
    step_size: Annotated[float, Field(gt=0, le=2)] = Field(
        0.1, description="length of a step, as a fraction of the budget"
    )
    restarts: Annotated[int, Field(ge=1, le=100)] = Field(2, description="runs, the worst counts")
    loss: Literal["ce", "margin"] = Field("ce", description="cross-entropy, or margin")

    def idle(self, eps: float) -> bool:
        return eps == 0 and self.eps_w == 0

    def region(self, eps: float) -> WeightBall:
        return WeightBall(self.weight_norm, self.eps_w, self.relative)

    def inputs(self, eps: float) -> Ball:
        return Ball(self.norm, eps)

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        ball, parts = self.region(eps), self.restarts + 1
        for run in range(self.restarts):
            start = victim.center
            if run:
                start = {name: ball.start(at, victim.generator) for name, at in start.items()}
            climb = victim.climb(start, ball, steps=self.steps, lr=self.step_size, loss=self.loss)
            yield from within(climb, run, parts)
        yield from within(self._finish(victim), self.restarts, parts)
        return victim.best

    def _finish(self, victim: WeightVictim) -> Generator[float, None, None]:
        """With the worst weights held, each example climbs on until it is fooled."""
        assert victim.inputs is not None
        held, moved, parts = victim.best, [], list(victim.parts())
        network = At(victim.model, held.w)
        for index, part in enumerate(parts):
            examples = Victim(
                network, victim.x[part], victim.y[part], victim.inputs, victim.generator
            )
            climb = examples.climb(
                held.x[part], steps=self.steps, lr=self.step_size, loss=self.loss
            )
            yield from ((index + share) / len(parts) for share in climb)
            moved.append(examples.best)
        victim.saw((yield from victim.look(held.w, torch.cat(moved))))
