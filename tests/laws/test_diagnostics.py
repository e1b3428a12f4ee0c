"""What every diagnostic must do: look, and touch nothing."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.theory import doubled, mlp, shift
from tests.laws.fitting import fitting
from worker.contract.measurement import Shape, encoded
from worker.contract.spec import TrainSpec
from worker.lab.core.dataset import Dataset
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.errors import LabError
from worker.lab.core.registry import entries
from worker.lab.core.run import Run
from worker.lab.core.task import Task
from worker.lab.core.watch import Watch, copies

DIAGNOSTICS = sorted(entries("diagnostic"))

DATA: list[dict[str, Any]] = [
    {"name": "digits", "examples": 300},
    {"name": "moons", "examples": 200},
    {"name": "structured_features", "examples": 200},
]

ASKED: dict[str, dict[str, Any]] = {
    "bias_variance": {"examples": 50, "steps": 5},
    "hessian": {"examples": 60, "iterations": 8, "probes": 2},
    "landscape": {"examples": 60, "refinements": 1},
    "out_of_distribution": {"against": {"name": "spirals"}, "limit": 100},
    "pac_bayes": {"examples": 100, "samples": 3},
    "sharpness": {"examples": 60, "steps": 3, "samples": 3},
    "starvation_responses": {"examples": 60},
}
"""Less than usual of what takes long, and data that needs no download."""


def choice(name: str) -> dict[str, Any]:
    return {"name": name, **ASKED.get(name, {})}


@cache
def data_for(name: str) -> dict[str, Any]:
    """The first of the data sets that it can be measured on."""
    return next(data for data in DATA if suits(Diagnostic.of(choice(name)), data))


def suits(diagnostic: Diagnostic, data: dict[str, Any]) -> bool:
    try:
        return diagnostic.applies(load(data["name"]))
    except LabError:
        return False


@cache
def load(name: str) -> Task:
    return next(Dataset.of(data).load(None) for data in DATA if data["name"] == name)


def run_with(name: str, steps: int = 30, model: dict[str, Any] | None = None) -> Run:
    model = model or fitting(entries("diagnostic")[name], hidden=(16,))
    spec = {"dataset": data_for(name), "model": model, "diagnostics": [choice(name)]}
    run = Run.build(TrainSpec.model_validate(spec), None)
    for _ in range(steps):
        run.update(run.gradients(run.task.train.x, run.task.train.y)[0])
    return run


def readings(run: Run, moves: bool = False) -> dict[str, Any]:
    """All of them, beside a network of another seed, and those of a step that is taken if `moves`,
    of none if not."""
    head = run.task.train.head(32)
    x = head.x.to(run.layers.weights[0].dtype)
    watch = Watch(run)
    view = replace(watch.view(run.look(x, head.y, ahead=True)[0]), peers=[peer(run)])
    values = watch.measure(view) | watch.survey(view) | watch.study(view)
    before = copies(run.model)
    if moves:
        run.update(run.gradients(x, head.y)[0])
    values |= watch.moved(view, before)
    values.pop("learning_rate")
    return {
        name: encoded(value) if isinstance(value, Shape) else float(value)
        for name, value in values.items()
    }


def peer(run: Run) -> nn.Module:
    spec = run.spec.model_copy(update={"seed": 1, "diagnostics": []})
    with torch.random.fork_rng():
        return Run.build(spec, None).model.eval()


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_it_measures_the_same_twice_and_something(name: str) -> None:
    first, second = readings(run_with(name)), readings(run_with(name))
    assert first
    assert first == second
    for value in first.values():
        assert not isinstance(value, float) or math.isfinite(value)


@pytest.mark.parametrize("name", DIAGNOSTICS)
def test_it_touches_neither_model_nor_randomness(name: str) -> None:
    run = run_with(name)
    before = copy.deepcopy(run.model.state_dict())
    modes = [module.training for module in run.model.modules()]
    dice, own = torch.get_rng_state(), run.generator.get_state()
    readings(run)
    assert torch.equal(torch.get_rng_state(), dice)
    assert torch.equal(run.generator.get_state(), own)
    assert [module.training for module in run.model.modules()] == modes
    assert all(weight.grad is None for weight in run.model.parameters())
    for key, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize("name", [n for n in DIAGNOSTICS if data_for(n) == DATA[0]])
def test_it_looks_at_convolutions_shortcuts_and_batch_normalisation(name: str) -> None:
    run = run_with(name, steps=2, model={"name": "preact_resnet", "blocks": 1, "width": 2})
    before = copy.deepcopy(run.model.state_dict())
    found = readings(run)
    assert found
    for value in found.values():
        assert not isinstance(value, float) or math.isfinite(value)
    for key, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, before[key])


@pytest.mark.parametrize("name", [n for n in DIAGNOSTICS if n != "decision_regions"])
def test_what_its_card_says_of_shifts_is_true(name: str) -> None:
    """An invariant one keeps every reading; another changes, but for those it calls unmoved."""
    before, after = (readings(shifted(run_with(name), by), moves=True) for by in (1.0, 5.0))
    assert before.keys() == after.keys()
    changed = {key for key in before if not close(before[key], after[key])}
    found = entries("diagnostic")[name]
    assert issubclass(found, Diagnostic)
    free = {key for key in before if key.startswith(found.unmoved)} if found.unmoved else set()
    assert not changed & free
    assert found.invariant == (not changed)


def close(a: Any, b: Any) -> bool:
    """Whether every number of two readings is the same but for rounding."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return bool(a == (pytest.approx(b, rel=1e-9) if isinstance(b, float) else b))


def shifted(run: Run, factor: float) -> Run:
    shift(doubled(run.model), 0, factor)
    run.optimizer.state.clear()  # of another precision, and of the weights before
    return run


def test_a_shape_has_no_flag() -> None:
    assert Diagnostic.of({"name": "decision_regions"}).invariant is None


def test_mlp_is_the_same_network_as_everywhere() -> None:
    run = run_with("accuracy", steps=0)
    torch.manual_seed(0)
    twin: nn.Module = mlp(run.task, hidden=(16,))
    for a, b in zip(run.model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
