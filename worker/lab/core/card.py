"""The evaluation card: what has to hold before an attack's numbers mean anything.

Each check is computed from the run or from a small probe of its own, and each can fail.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from worker.contract.measurement import Table
from worker.lab.core.attack import Attack
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.interval import wilson
from worker.lab.core.tally import Tally
from worker.lab.core.task import Split, Task

PROBE = 200
"""Examples that a probe looks at: the first ones."""

DRAWS = 20
"""Random changes that the gradient-free attack tries on each example."""

CHANCE = 0.005
"""The share of examples that randomness and rounding may move."""

CONVERGED = 0.02
"""What doubling an attack's steps may still cost before its budget of steps is called small."""

BLIND = 0.05
"""The share of zero gradients above which an attack cannot see where to go."""

WIDE = 0.06
"""The half-width of an accuracy's interval above which n is too small to conclude much."""


@dataclass(frozen=True)
class Check:
    """`passed` is None where it is no fault, yet a number to be careful with."""

    check: str
    passed: bool | None
    detail: str


@dataclass(frozen=True)
class Trial:
    """What the checks of one attack look at; the network is in eval mode."""

    model: nn.Module
    task: Task
    data: Split
    clean: Tensor
    tally: Tally
    tallies: Sequence[Tally]
    seed: int
    probe: Split = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "probe", self.data.head(PROBE))

    @property
    def attack(self) -> Attack:
        return self.tally.attack

    @property
    def largest(self) -> float:
        return max(self.tally.grid)

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)


Checks = Iterator[Check]
Walk = Generator[float, None, Checks]


def card(trial: Trial) -> Generator[float, None, Table]:
    """The card of one attack, pausing after every look at the network."""
    checks = [*_eval_mode(trial), *_inputs(trial)]
    checks.append((yield from _nothing_at_zero(trial)))
    checks += _eps(trial)
    if hasattr(trial.attack, "steps") and trial.largest:
        checks.append((yield from _steps(trial)))
    for examine in _FROM_THE_RUN:
        checks += examine(trial)
    if trial.largest:
        checks.append((yield from _noise(trial)))
    return Table(
        columns={
            "check": [found.check for found in checks],
            "passed": [found.passed for found in checks],
            "detail": [found.detail for found in checks],
        }
    )


def _eval_mode(trial: Trial) -> Checks:
    with torch.no_grad():
        first, second = trial.model(trial.probe.x), trial.model(trial.probe.x)
    off = float((first - second).abs().max())
    yield Check(
        "eval mode, the same answer twice",
        trial.tally.eval_mode and off <= 1e-4 * (1 + float(first.abs().max())),
        f"eval mode {'kept' if trial.tally.eval_mode else 'lost'} during the attack; "
        f"logits of two passes differ by {off:.2g}",
    )


def _inputs(trial: Trial) -> Checks:
    """Normalised outside, eps would be in other units: the network would then do better on
    inputs that were normalised before they enter."""
    x, y = trial.probe.x, trial.probe.y
    low, high = float(trial.data.x.min()), float(trial.data.x.max())
    form = (1, -1) + (1,) * (x.dim() - 2)
    mean, std = (torch.tensor(v, device=x.device).view(form) for v in _moments(trial.task))
    with torch.no_grad():
        plain = _share(trial.model(x).argmax(1) == y)
        outside = _share(trial.model((x - mean) / std).argmax(1) == y)
    yield Check(
        "inputs in [0, 1], normalised inside the network",
        low >= 0 and high <= 1 and plain >= outside - 2 * CHANCE,
        f"values from {low:.3g} to {high:.3g}; accuracy {percent(plain)} as they are, "
        f"{percent(outside)} if normalised before they enter",
    )


def _moments(task: Task) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return task.mean, task.std


def _nothing_at_zero(trial: Trial) -> Generator[float, None, Check]:
    if 0.0 in trial.tally.grid:
        now, before = trial.tally.prediction[trial.tally.grid.index(0.0)], trial.clean
    else:
        result = yield from trial.attack.walk(
            trial.model, trial.probe.x, trial.probe.y, eps=0.0, generator=trial.generator()
        )
        now, before = result.prediction.cpu(), trial.clean[: len(trial.probe)]
    moved = int((now != before).sum())
    return Check(
        "eps 0 equals clean accuracy",
        moved == 0,
        f"{moved} of {len(now)} predictions differ; clean accuracy "
        f"{percent(_share(trial.clean == trial.tally.y))}",
    )


def _eps(trial: Trial) -> Checks:
    found = trial.tally.robust.float().mean(1).tolist()
    rises = [later - sooner for sooner, later in itertools.pairwise(found)]
    worst = max(rises, default=0.0)
    if rises:
        yield Check(
            "accuracy does not rise with eps",
            worst <= CHANCE,
            f"largest rise {percent(max(worst, 0.0))} over {len(found)} budgets",
        )


def _steps(trial: Trial) -> Generator[float, None, Check]:
    """With half the steps, at the middle budget, on the probe: more steps must not help the
    network, and if they still cost it much the attack has not converged."""
    tally, many = trial.tally, int(trial.attack.steps)  # type: ignore[attr-defined]
    row = len(tally.grid) // 2
    few = trial.attack.model_copy(update={"steps": max(1, many // 2)})
    result = yield from few.walk(
        trial.model, trial.probe.x, trial.probe.y, eps=tally.grid[row], generator=trial.generator()
    )
    half = 1 - _share(result.fooled)
    full = _share(tally.robust[row, : len(trial.probe)])
    cost = half - full
    slow = f"not converged: doubling the steps still costs {100 * cost:.1f} points; "
    return Check(
        "accuracy does not rise with steps",
        cost >= -2 * CHANCE and (cost <= CONVERGED or None),
        f"{slow if cost > CONVERGED else ''}{percent(half)} after {max(1, many // 2)} steps, "
        f"{percent(full)} after {many} at eps {tally.grid[row]:g} (n = {len(trial.probe)})",
    )


def _gradients(trial: Trial) -> Checks:
    tally = trial.tally
    if tally.gradients:
        zero = tally.zeros / tally.gradients
        yield Check(
            "gradients are not zero",
            zero <= BLIND,
            f"{percent(zero)} of {tally.gradients} gradients were zero or not finite",
        )


def _climbs(trial: Trial) -> Checks:
    losses = trial.tally.losses
    if len(losses) > 1:
        yield Check(
            "the loss rises along the attack",
            losses[-1] > losses[0] and losses[-1] >= 0.9 * max(losses),
            f"from {losses[0]:.4g} to {losses[-1]:.4g}, at most {max(losses):.4g}, "
            f"at eps {trial.largest:g}",
        )


def _noise(trial: Trial) -> Generator[float, None, Check]:
    """A gradient-free attack must not find what the gradient missed."""
    x, y = trial.probe.x, trial.probe.y
    assert isinstance(trial.attack, InputAttack)
    ball, generator = trial.attack.ball(trial.largest), trial.generator()
    fooled = torch.zeros(len(y), dtype=torch.bool, device=y.device)
    for draw in range(DRAWS):
        at = ball.start(x, generator)
        if draw % 2:
            at = ball.project(ball.step(x, at - x, ball.eps), x)
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


def _fresh(trial: Trial) -> Checks:
    """A second, fresh pass has the last word; the attack's own should be the same."""
    fooled = ~trial.tally.robust
    differ = int((fooled != trial.tally.claimed).sum())
    yield Check(
        "scored again in a fresh pass",
        differ <= CHANCE * fooled.numel(),
        f"{differ} of {fooled.numel()} verdicts differ from what the attack saw",
    )


def _alone(trial: Trial) -> Checks:
    """Of the same budget: another norm is another budget."""
    rivals = [tally for tally in trial.tallies if tally.attack.budget == trial.attack.budget]
    if len(rivals) > 1:
        row = trial.tally.grid.index(trial.largest)
        worst = torch.stack([tally.robust[row] for tally in rivals]).all(0)
        missed = int((trial.tally.robust[row] & ~worst).sum())
        yield Check(
            "no other attack finds more",
            missed <= CHANCE * len(worst),
            f"others fool {missed} more at eps {trial.largest:g}; the worst case, point by point, "
            f"leaves {percent(_share(worst))}",
        )


def _enough(trial: Trial) -> Checks:
    n = len(trial.data)
    bounds = [wilson(int(hits), n) for hits in trial.tally.robust.sum(1)]
    half = max((high - low) / 2 for low, high in bounds)
    yield Check(
        "enough examples",
        half <= WIDE,
        f"n = {n}: 95 % intervals of up to ±{100 * half:.1f} points (Wilson)",
    )


_FROM_THE_RUN: tuple[Callable[[Trial], Checks], ...] = (
    _gradients,
    _climbs,
    _fresh,
    _alone,
    _enough,
)


def percent(share: float) -> str:
    """92.8 %, as every page writes it."""
    return f"{100 * share:.1f} %"


def _share(mask: Tensor) -> float:
    return float(mask.float().mean())
