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
    return _shift(np.subtract.outer(larger, smaller).ravel(), c, f"{n} and {m} runs")


def exceeds(differences: Sequence[float]) -> Found:
    """Whether differences within runs lie above zero, by their pseudomedian.

    Its interval is that of the exact two-sided Wilcoxon signed-rank test: the means of all pairs
    from the c-th to the c-th last, c by `critical_paired`. With fewer than six runs no interval
    of 95 % exists.
    """
    n = len(differences)
    c = critical_paired(n)
    if c is None:
        return Found("undecided", f"{n} runs; six are needed")
    means = np.add.outer(differences, differences)[np.triu_indices(n)] / 2
    return _shift(means, c, f"{n} runs")


def _shift(candidates: np.ndarray, c: int, runs: str) -> Found:
    """The verdict of an interval that leaves c candidates out at each end."""
    ordered = np.sort(candidates)
    middle = float(np.median(ordered))
    low, high = float(ordered[c]), float(ordered[-1 - c])
    verdict: Verdict = "undecided"
    if low > 0:
        verdict = "holds"
    elif high < 0:
        verdict = "does not hold"
    words = f"difference {middle:.3g}, 95 % interval {low:.3g} to {high:.3g}, {runs}"
    return Found(verdict, words, low, high)


def critical(n: int, m: int) -> int | None:
    """The largest c with P(U ≤ c) ≤ 2.5 % under no shift, U of Mann and Whitney; None if even
    P(U = 0) is larger."""
    return _last(_counts(n, m), math.comb(n + m, n))


def critical_paired(n: int) -> int | None:
    """The same of Wilcoxon's signed-rank sum: every subset of the ranks 1 … n is as likely."""
    counts = [1]
    for rank in range(1, n + 1):
        longer = counts + [0] * rank
        counts = [a + b for a, b in zip(longer, [0] * rank + counts, strict=True)]
    return _last(counts, 2**n)


def _last(counts: Sequence[int], total: int) -> int | None:
    below = 0
    found = None
    for value, count in enumerate(counts):
        below += count
        if below / total > LEVEL / 2:
            break
        found = value
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
        return Found("undecided", f"{len(x)} runs; five are needed, at different values")
    signs, other = (np.sign(np.subtract.outer(v, v)) for v in (x, y))
    scale = math.sqrt(float((signs**2).sum()) * float((other**2).sum()))
    agreement = float((signs * other).sum())
    by_chance = _permuted(signs, other)
    p = (1 + float((np.abs(by_chance) >= abs(agreement) - 0.5).sum())) / (1 + DRAWS)
    verdict: Verdict = "undecided"
    if p < LEVEL:
        verdict = "holds" if (agreement < 0) == falls else "does not hold"
    tau = agreement / scale if scale else 0.0
    return Found(verdict, f"Kendall's tau {tau:.2f}, p = {p:.2g} by permutation, {len(x)} runs")


def _permuted(signs: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The agreement of both orders after each of DRAWS permutations of the second."""
    dice, n = np.random.default_rng(0), len(signs)
    share = max(1, 1_000_000 // n**2)
    found = []
    for start in range(0, DRAWS, share):
        orders = dice.permuted(np.tile(np.arange(n), (min(share, DRAWS - start), 1)), axis=1)
        moved = other[orders[:, :, None], orders[:, None, :]]
        found.append((moved * signs).sum((1, 2)))
    return np.concatenate(found)


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
