"""Whether runs bear a claim out: holds, does not hold, or undecided, with the interval said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

Verdict = Literal["holds", "does not hold", "undecided"]
LEVEL = 0.05
DRAWS = 5000


@dataclass(frozen=True)
class Found:
    """A verdict and the numbers it rests on, in words."""

    verdict: Verdict
    words: str
    low: float | None = None
    high: float | None = None


def greater(larger: Sequence[float], smaller: Sequence[float]) -> Found:
    """Whether the first sample lies above the second, by the Hodges–Lehmann shift.

    Its interval is that of the exact two-sided Mann–Whitney test: the pairwise differences
    from the c-th to the c-th last, c by `critical`. With fewer than four runs a side no interval
    of 95 % exists.
    """
    n, m = len(larger), len(smaller)
    c = critical(n, m)
    if c is None:
        return Found("undecided", f"{n} and {m} runs; four a side are needed")
    differences = np.sort(np.subtract.outer(larger, smaller).ravel())
    middle = float(np.median(differences))
    low, high = float(differences[c]), float(differences[-1 - c])
    verdict: Verdict = "undecided"
    if low > 0:
        verdict = "holds"
    elif high < 0:
        verdict = "does not hold"
    words = f"larger by {middle:.3g}, 95 % interval {low:.3g} to {high:.3g}, {n} and {m} runs"
    return Found(verdict, words, low, high)


@cache
def critical(n: int, m: int, level: float = LEVEL) -> int | None:
    """The largest c with P(U ≤ c) ≤ level / 2 under no shift, U of Mann and Whitney; None if even
    P(U = 0) is larger."""
    counts = _counts(n, m)
    total = math.comb(n + m, n)
    below = 0
    found = None
    for u, count in enumerate(counts):
        below += count
        if below / total > level / 2:
            break
        found = u
    return found


@cache
def _counts(n: int, m: int) -> tuple[int, ...]:
    """In how many orders of n + m values U takes each value from 0 to nm."""
    if n == 0 or m == 0:
        return (1,)
    found = [0] * (n * m + 1)
    for shift, part in ((m, _counts(n - 1, m)), (0, _counts(n, m - 1))):
        for u, count in enumerate(part):
            found[u + shift] += count
    return tuple(found)


def rises_with(xs: Sequence[float], ys: Sequence[float], falls: bool = False) -> Found:
    """Whether y rises with x over runs: Kendall's tau-b, by permutation of y."""
    x, y = np.asarray(xs, float), np.asarray(ys, float)
    if len(x) < 5 or len(set(xs)) < 2:
        return Found("undecided", f"{len(x)} runs; five with different values are needed")
    signs = np.sign(np.subtract.outer(x, x))
    tau = _tau(signs, y)
    dice = np.random.default_rng(0)
    by_chance = np.array([_tau(signs, dice.permutation(y)) for _ in range(DRAWS)])
    p = float((np.abs(by_chance) >= abs(tau) - 1e-12).mean())
    verdict: Verdict = "undecided"
    if p < LEVEL:
        verdict = "holds" if (tau < 0) == falls else "does not hold"
    return Found(verdict, f"Kendall's tau {tau:.2f}, p = {p:.2g} by permutation, {len(x)} runs")


def _tau(signs: np.ndarray, y: np.ndarray) -> float:
    other = np.sign(np.subtract.outer(y, y))
    scale = math.sqrt(float((signs**2).sum()) * float((other**2).sum()))
    return float((signs * other).sum()) / scale if scale else 0.0


def never_above(pairs: Sequence[tuple[float, float]], runs: int) -> Found:
    """Whether the first of each pair is never above the second; rounding of 1e-5 is forgiven."""
    if not pairs:
        return Found("undecided", "no run has measured both yet")
    worst = max(low / high if high else math.inf for low, high in pairs)
    broken = sum(low > high * (1 + 1e-5) for low, high in pairs)
    words = f"{len(pairs)} measurements in {runs} runs, the largest ratio {worst:.3g}"
    if broken:
        return Found("does not hold", f"{broken} violations of {words}")
    return Found("holds", f"no violation in {words}")
