"""The evaluation card: what has to hold before an attack's numbers mean anything.

Each check is computed from the run or from a small probe of its own, and each can fail.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator

import torch
from torch import Tensor

from worker.contract.measurement import Table
from worker.lab.core.interval import wilson
from worker.lab.core.noise import noise
from worker.lab.core.tally import accuracy_at_largest_eps
from worker.lab.core.task import Task
from worker.lab.core.trial import CHANCE, Check, Trial

CONVERGED = 0.02
"""What doubling an attack's steps may still cost before its budget of steps is called small."""

BLIND = 0.05
"""The share of zero gradients above which an attack cannot see where to go."""

WIDE = 0.06
"""The half-width of an accuracy's interval above which n is too small to conclude much."""

Checks = Iterator[Check]
Walk = Generator[float, None, Checks]


def card(trial: Trial) -> Generator[float, None, Table]:
    """The card of one attack, pausing after every look at the network."""
    checks = [*_eval_mode(trial), *_inputs(trial)]
    if trial.attack.idle(0.0):
        checks.append((yield from _nothing_at_zero(trial)))
    checks += _eps(trial)
    searches = trial.attack.adversarial and bool(trial.largest)
    if searches and hasattr(trial.attack, "steps"):
        checks.append((yield from _steps(trial)))
    for examine in _FROM_THE_RUN:
        checks += examine(trial)
    if searches:
        checks.append((yield from noise(trial)))
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
        x, y = trial.sample.x, trial.sample.y
        result = yield from trial.attack.walk(
            trial.model, x, y, eps=0.0, generator=trial.generator(), other=trial.other
        )
        now, before = result.prediction.cpu(), trial.clean[: len(y)]
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
    slack = CHANCE if trial.attack.adversarial else max(CHANCE, 2 * _half_width(trial))
    if rises:
        yield Check(
            "accuracy does not rise with eps",
            worst <= slack,
            f"largest rise {percent(max(worst, 0.0))} over {len(found)} budgets",
        )


def _steps(trial: Trial) -> Generator[float, None, Check]:
    """With half the steps, at the middle budget: more steps must not help the
    network, and if they still cost it much the attack has not converged."""
    tally, many = trial.tally, int(trial.attack.steps)  # type: ignore[attr-defined]
    row = len(tally.grid) // 2
    few = trial.attack.model_copy(update={"steps": max(1, many // 2)})
    x, y = trial.sample.x, trial.sample.y
    result = yield from few.walk(
        trial.model, x, y, eps=tally.grid[row], generator=trial.generator()
    )
    half = 1 - _share(result.fooled)
    full = _share(tally.robust[row, : len(y)])
    cost = half - full
    slow = f"not converged: doubling the steps still costs {100 * cost:.1f} points; "
    return Check(
        "accuracy does not rise with steps",
        cost >= -2 * CHANCE and (cost <= CONVERGED or None),
        f"{slow if cost > CONVERGED else ''}{percent(half)} after {max(1, many // 2)} steps, "
        f"{percent(full)} after {many} at eps {tally.grid[row]:g} (n = {len(y)})",
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
    rivals = trial.tally.rivals(trial.tallies)
    if len(rivals) > 1 and trial.attack.adversarial:
        row = trial.tally.grid.index(trial.largest)
        own, left = trial.tally.robust[row], accuracy_at_largest_eps(rivals)
        missed = round(_share(own) * len(own)) - round(left * len(own))
        yield Check(
            "no other attack finds more",
            missed <= CHANCE * len(own),
            f"others fool {missed} more at eps {trial.largest:g}; the worst case leaves "
            f"{percent(left)}",
        )


def _enough(trial: Trial) -> Checks:
    half = _half_width(trial)
    yield Check(
        "enough examples",
        half <= WIDE,
        f"n = {len(trial.data)}: 95 % intervals of up to ±{100 * half:.1f} points (Wilson)",
    )


def _half_width(trial: Trial) -> float:
    n = len(trial.data)
    bounds = [wilson(int(hits), n) for hits in trial.tally.robust.sum(1)]
    return max((high - low) / 2 for low, high in bounds)


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
