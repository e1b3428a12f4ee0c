"""Processes killed at random while fifty jobs come through: `FAULT_MINUTES` of it, 20 unless told.

`make test-faults` runs it; a failure prints the seed, `FAULT_SEED` repeats its choices.
"""

from __future__ import annotations

import os
import random
import time
from typing import Any

import psutil
import pytest

from tests.e2e import explorer as e2e
from tests.faults.phases import SMALL, end
from tests.faults.stand import Stand

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

MINUTES = float(os.environ.get("FAULT_MINUTES", "20"))
SEED = int(os.environ.get("FAULT_SEED", str(time.time_ns() % 1_000_000)))
JOBS = max(2, round(2.5 * MINUTES))
TARGETS = ("training child", "recorder", "api", "web", "broker", "worker")
SPEC = {**SMALL, "epochs": 150, "log_every": 10}
LEAST_S, MOST_S = 4.0, 16.0
LAST_S = 1200.0
"""For what is left when nobody kills any more."""


def test_random_kills_lose_nothing(stand: Stand) -> None:
    alone = stand.post({"kind": "train", "spec": SPEC})
    assert _ended(stand, alone)["state"] == "succeeded"
    wanted = end(stand, "training", alone)
    jobs = [stand.post({"kind": "train", "spec": SPEC}) for _ in range(JOBS)]
    kills = _kill(stand, random.Random(SEED), time.monotonic() + 60 * MINUTES, jobs)
    ended = {job: _ended(stand, job) for job in jobs}
    print(f"seed {SEED}: {len(jobs)} jobs, kills: {kills}")
    lost = [job for job, done in ended.items() if _given_up(done)]
    others = set(jobs) - set(lost)
    assert {ended[job]["state"] for job in others} == {"succeeded"}, f"seed {SEED}"
    for job in others:
        assert end(stand, "training", job) == wanted, f"{job} differs; seed {SEED}, {kills}"
    assert len(lost) <= len(jobs) // 10, f"seed {SEED}: {len(lost)} given up after three losses"


def _kill(stand: Stand, chance: random.Random, until: float, jobs: list[str]) -> dict[str, int]:
    """Strike until then, or until no job is left; how often each target was hit."""
    kills = dict.fromkeys(TARGETS, 0)
    while time.monotonic() < until and not all(_over(stand, job) for job in jobs):
        time.sleep(chance.uniform(LEAST_S, MOST_S))
        target = chance.choice(TARGETS)
        try:
            stand.strike(target, "SIGKILL", stand.struck(target))
        except psutil.NoSuchProcess:
            continue  # it is just being started again
        kills[target] += 1
    return kills


def _over(stand: Stand, job: str) -> bool:
    return e2e.ended(stand.job(job)) is not None


def _ended(stand: Stand, job: str) -> dict[str, Any]:
    """Asked again while the API is away."""
    done: dict[str, Any] = e2e.until(
        lambda: e2e.ended(stand.job(job)), LAST_S, f"{job} never ended; seed {SEED}"
    )
    return done


def _given_up(job: dict[str, Any]) -> bool:
    """Lost three times over: told, and not tried again, as it has to be."""
    error = job["error"]
    return isinstance(error, dict) and error["code"] == "lost"
