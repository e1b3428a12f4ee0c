"""What Compare says of runs with one seed."""

from __future__ import annotations

from typing import Any

from frontend.views import seeds
from tests.frontend.test_job_views import job, text


def run(lr: float, seed: int) -> Any:
    spec = {"dataset": {"name": "digits"}, "optimizer": {"name": "sgd", "lr": lr}, "seed": seed}
    return job(id=f"{lr}-{seed}", spec=spec)


def test_single_runs_are_told_to_be_single() -> None:
    assert text(seeds.note([run(0.1, 0), run(0.2, 0)])).startswith("Every setting has run with one")
    mixed = [run(0.1, 0), run(0.1, 1), run(0.2, 0)]
    assert text(seeds.note(mixed)).startswith("One setting has run with one seed")


def test_nothing_is_said_where_there_are_seeds_or_nothing_to_compare() -> None:
    assert seeds.note([run(0.1, 0), run(0.1, 1), run(0.2, 0), run(0.2, 1)]) is None
    assert seeds.note([run(0.1, 0), run(0.1, 1)]) is None
    assert seeds.note([run(0.1, 0)]) is None
