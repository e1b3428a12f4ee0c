"""Methods combine freely: any two train together, or are refused with the reason."""

from __future__ import annotations

import re

import pytest

from tests.laws.fitting import fitting
from worker.contract.spec import TrainSpec
from worker.lab.core.errors import LabError
from worker.lab.core.registry import entries
from worker.lab.core.run import Run

METHODS = entries("method")


@pytest.mark.parametrize("first", METHODS)
def test_two_methods_train_together_or_are_refused(first: str) -> None:
    for second in sorted(METHODS)[: sorted(METHODS).index(first)]:
        refused = excluded(first, second)
        if refused:
            with pytest.raises(LabError, match=re.escape(refused)):
                Run.build(spec(first, second), None)
        else:
            one_step(Run.build(spec(first, second), None))


def one_step(run: Run) -> None:
    step, terms = run.gradients(run.task.train.x[:32], run.task.train.y[:32])
    run.update(step)
    run.finish()
    assert terms
    assert all(bool(weight.isfinite().all()) for weight in run.weights)


def excluded(first: str, second: str) -> str:
    """The reason why two methods cannot be combined, by their classes; empty where they can."""
    one, two = METHODS[first], METHODS[second]
    if one.learns and two.learns:  # type: ignore[attr-defined]
        return "the loss to learn by"
    return one.excludes.get(second, two.excludes.get(first, ""))


def spec(*names: str) -> TrainSpec:
    methods = [METHODS[name] for name in names]
    alone = any(method.learns for method in methods)  # type: ignore[attr-defined]
    model = {**fitting(*methods, hidden=(8, 8)), "batch_norm": True}
    asked = {
        "dataset": {"name": "moons", "examples": 100},
        "model": model,
        "methods": [{"name": name} for name in (*(() if alone else ("cross_entropy",)), *names)],
        "diagnostics": [],
    }
    return TrainSpec.model_validate(asked)
