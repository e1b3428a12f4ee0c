"""Verdicts against closed forms and an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from backend import verdict


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 5), (5, 8), (10, 7)])
def test_the_critical_value_is_that_of_the_exact_test(n: int, m: int) -> None:
    c = verdict.critical(n, m)
    assert c is not None
    x, y = _with_u(n, m, c), list(range(m))
    p = stats.mannwhitneyu(x, y, method="exact").pvalue
    assert p <= 0.05
    p_next = stats.mannwhitneyu(_with_u(n, m, c + 1), y, method="exact").pvalue
    assert p_next > 0.05


def _with_u(n: int, m: int, u: int) -> list[float]:
    """n values of which u pairs with 0 … m−1 are larger."""
    values = []
    for place in range(n):
        above = min(m, u)
        u -= above
        values.append(above - 0.5 - place * 1e-3)
    return values


def test_three_runs_a_side_decide_nothing() -> None:
    assert verdict.critical(3, 3) is None
    assert verdict.greater([9, 9, 9], [1, 1, 1]).verdict == "undecided"


def test_clear_samples_are_decided_both_ways() -> None:
    high, low = [1.0, 1.1, 1.2, 1.3, 1.4], [0.1, 0.2, 0.3, 0.4, 0.5]
    assert verdict.greater(high, low).verdict == "holds"
    assert verdict.greater(low, high).verdict == "does not hold"
    assert verdict.greater(high, [*high[:2], 1.25, 1.35, 1.15]).verdict == "undecided"


def test_the_interval_covers_as_often_as_it_says() -> None:
    dice = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        found = verdict.greater(dice.normal(0.3, 1, 6).tolist(), dice.normal(0, 1, 6).tolist())
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.94 <= covered / 1000 <= 0.99


def test_tau_is_scipys_and_its_p_close() -> None:
    dice = np.random.default_rng(2)
    x = dice.integers(0, 5, 20).astype(float)
    y = x + dice.normal(0, 2, 20)
    found = verdict.rises_with(x.tolist(), y.tolist())
    tau, p = stats.kendalltau(x, y)
    assert f"{tau:.2f}" in found.words
    assert float(found.words.split("p = ")[1].split(" ")[0]) == pytest.approx(p, abs=0.02)


def test_rising_and_falling() -> None:
    x = list(range(8))
    assert verdict.rises_with(x, x).verdict == "holds"
    assert verdict.rises_with(x, x, falls=True).verdict == "does not hold"
    assert verdict.rises_with(x, [-v for v in x], falls=True).verdict == "holds"
    assert verdict.rises_with([1, 1, 1, 1, 1], x[:5]).verdict == "undecided"


def test_one_violation_refutes_a_bound() -> None:
    assert verdict.never_above([], 0).verdict == "undecided"
    assert verdict.never_above([(1, 2), (2, 2)], 1).verdict == "holds"
    assert verdict.never_above([(1, 2), (2.1, 2)], 1).verdict == "does not hold"


@pytest.mark.parametrize("n", [6, 8, 11])
def test_the_paired_critical_value_is_that_of_the_exact_test(n: int) -> None:
    c = verdict.critical_paired(n)
    assert c is not None
    assert stats.wilcoxon(_with_sum(n, c), method="exact").pvalue <= 0.05
    assert stats.wilcoxon(_with_sum(n, c + 1), method="exact").pvalue > 0.05
    assert verdict.critical_paired(5) is None


def _with_sum(n: int, w: int) -> list[float]:
    """n differences, of which the ranks of the positive ones add up to w."""
    values = []
    for rank in range(n, 0, -1):
        values.append(float(rank if rank <= w else -rank))
        w -= rank if rank <= w else 0
    return values


def test_differences_within_runs_are_decided_both_ways() -> None:
    up = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert verdict.exceeds(up).verdict == "holds"
    assert verdict.exceeds([-v for v in up]).verdict == "does not hold"
    assert verdict.exceeds([-0.35, *up[:-1]]).verdict == "undecided"
    assert verdict.exceeds(up[:5]).verdict == "undecided"


def test_the_paired_interval_covers_as_often_as_it_says() -> None:
    dice = np.random.default_rng(3)
    covered = 0
    for _ in range(1000):
        found = verdict.exceeds(dice.normal(0.3, 1, 8).tolist())
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.3 <= found.high
    assert 0.94 <= covered / 1000 <= 0.99
