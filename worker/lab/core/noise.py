"""A check of the evaluation card: chance must not find what the attack missed."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor

from worker.lab.core.attack import within
from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.trial import CHANCE, Check, Trial
from worker.lab.core.weight_attack import WeightAttack
from worker.lab.core.weight_victim import WeightVictim

DRAWS = 20
"""Random changes that are tried on each example, or on the weights."""


def noise(trial: Trial) -> Generator[float, None, Check]:
    """Random changes of what the attack may move, at the largest budget."""
    if isinstance(trial.attack, WeightAttack):
        return (yield from _weight_noise(trial, trial.attack))
    assert isinstance(trial.attack, InputAttack)
    x, y = trial.probe.x, trial.probe.y
    ball, generator = trial.attack.ball(trial.largest), trial.generator()
    fooled = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for draw in range(DRAWS):
        at = _drawn(ball, x, draw, generator)
        with torch.no_grad():
            fooled |= trial.model(at).argmax(1) != y
        yield draw / DRAWS
    robust = trial.tally.robust[trial.tally.grid.index(trial.largest), : len(y)]
    missed = int((robust & fooled.cpu()).sum())
    return Check(
        "random noise is not stronger",
        missed <= 2 * CHANCE * len(y),
        f"noise fools {missed} of {len(y)} examples that the attack does not "
        f"({DRAWS} draws, eps {trial.largest:g})",
    )


def _weight_noise(trial: Trial, attack: WeightAttack) -> Generator[float, None, Check]:
    """Every second draw is at the wall of the budget, in the direction of a random sign."""
    x, y, generator = trial.data.x, trial.data.y, trial.generator()
    region, ball = attack.region(trial.largest), attack.inputs(trial.largest)
    assert isinstance(region, WeightBall)
    victim = WeightVictim(trial.model, x, y, attack.center(trial.model), generator)
    for draw in range(DRAWS):
        w = {}
        for name, at in victim.center.items():
            w[name] = region.start(at, generator)
            if draw % 2:
                w[name] = region.move(at, (w[name] - at).sign(), at, 1.0)
        moved = _drawn(ball, x, draw, generator) if ball else x
        yield from within(victim.draw(w, moved), draw, DRAWS)
    left, least = trial.tally.robust[trial.tally.grid.index(trial.largest)].sum(), victim.drawn
    return Check(
        "random noise is not stronger",
        least.right >= int(left) - CHANCE * len(y),
        f"noise leaves {least.right} of {len(y)} examples right, the attack {int(left)} "
        f"({DRAWS} draws, eps {trial.largest:g})",
    )


def _drawn(ball: Ball, x: Tensor, draw: int, generator: torch.Generator) -> Tensor:
    """Inside the ball, and every second time at its wall."""
    at = ball.start(x, generator)
    return ball.project(ball.step(x, at - x, ball.eps), x) if draw % 2 else at
