"""Measuring stays within its share of the time, and is never too rare to see."""

from __future__ import annotations

import pytest

from worker.lab.core import pace as pacing
from worker.lab.core.pace import Auto, Pace


class Watch:
    """A clock that moves only when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(pacing.time, "perf_counter", lambda: self.now)


def simulate(
    watch: Watch, pace: Pace, steps: int, plain: float, extra: float, survey: float = 0.0
) -> tuple[int, int, float]:
    """Points, surveys, and the share of the time that they took."""
    points = surveys = 0
    for step in range(steps):
        surveyed, measured = pace.surveys(step), pace.measures(step)
        began = pace.began(measured)
        watch.now += plain + extra * measured
        pace.ended(began, measured)
        if surveyed:
            watch.now += survey
            pace.surveyed(survey)
        points += measured
        surveys += surveyed
    spent = points * extra + surveys * survey
    return points, surveys, spent / (steps * plain)


@pytest.mark.parametrize("wait", [None, lambda: None], ids=["cpu", "device"])
@pytest.mark.parametrize("extra", [0.5, 2.0, 20.0])
def test_a_long_run_measures_as_often_as_its_share_allows(
    monkeypatch: pytest.MonkeyPatch, extra: float, wait: object
) -> None:
    watch = Watch(monkeypatch)
    auto = Auto(200_000, wait)  # type: ignore[arg-type]
    points, surveys, share = simulate(watch, auto, 200_000, 0.001, 0.001 * extra, 0.01)
    assert share < 0.045
    assert points >= min(0.8 * 0.025 * 200_000 / extra, 0.5 * pacing.MEASURED_MOST)
    assert surveys >= 0.8 * min(0.01 * 200 / 0.01, pacing.SURVEYED_MOST)


def test_a_short_run_still_has_its_points(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    points, surveys, _ = simulate(watch, Auto(1000), 1000, 0.001, 0.01, 0.5)
    assert 200 <= points <= 202
    assert 10 <= surveys <= 11


def test_measurements_that_cost_nothing_are_not_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    points, surveys, _ = simulate(watch, Auto(100_000), 100_000, 0.001, 0.0)
    assert points <= pacing.MEASURED_MOST + 200
    assert surveys <= pacing.SURVEYED_MOST + 1


def test_handing_on_counts_as_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    auto = Auto(100_000)
    watch = Watch(monkeypatch)
    for _ in range(100):
        auto.told(0.1, 1)
    points, _, _ = simulate(watch, auto, 100_000, 0.001, 0.0)
    assert 200 <= points <= 220


def test_the_first_and_the_last_step_are_measured() -> None:
    auto = Auto(1000)
    seen = [step for step in range(1000) if auto.measures(step)]
    assert (seen[0], seen[-1]) == (0, 999)


def test_a_number_is_kept_exactly() -> None:
    pace = Pace(7, 20)
    assert [step for step in range(30) if pace.measures(step)] == [0, 7, 14, 21, 28]
    assert [step for step in range(50) if pace.surveys(step)] == [0, 20, 40]
