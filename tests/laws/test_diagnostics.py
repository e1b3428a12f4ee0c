"""What every diagnostic must do: look, and touch nothing."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.theory import doubled, mlp, shift
from tests.laws.fitting import fitting
from worker.contract.measurement import Shape, encoded
from worker.contract.spec import TrainSpec
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.registry import entries
from worker.lab.core.run import Run
from worker.lab.core.watch import Watch, copies

DIAGNOSTICS = sorted(entries("diagnostic"))


def run_with(name: str) -> Run:
    plane = not Diagnostic.of({"name": name}).applies(digits_task())
    data = {"name": "moons", "examples": 200} if plane else {"name": "digits"}
    spec = {"dataset": data, "model": fitting(entries("diagnostic")[name], hidden=(16,))}
    return Run.build(TrainSpec.model_validate({**spec, "diagnostics": [{"name": name}]}), None)


def digits_task() -> Any:
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": []}}
    return Run.build(TrainSpec.model_validate(spec), None).task


def readings(run: Run, moves: bool = False) -> dict[str, Any]:
    """All of them, and those of a step that is taken if `moves`, of none if not."""
    head = run.task.train.head(32)
    x = head.x.to(run.layers.weights[0].dtype)
    watch = Watch(run)
    view = watch.view(run.look(x, head.y, ahead=True)[0])
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


@pytest.mark.parametrize("name", [n for n in DIAGNOSTICS if n != "decision_regions"])
def test_what_its_card_says_of_shifts_is_true(name: str) -> None:
    before, after = (readings(shifted(run_with(name), by), moves=True) for by in (1.0, 5.0))
    assert Diagnostic.of({"name": name}).invariant == close(before, after)


def close(a: Any, b: Any) -> bool:
    """Whether every number of two readings is the same but for rounding."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return bool(a == (pytest.approx(b, rel=1e-9) if isinstance(b, float) else b))


def shifted(run: Run, factor: float) -> Run:
    shift(doubled(run.model), 0, factor)
    return run


def test_a_shape_has_no_flag() -> None:
    assert Diagnostic.of({"name": "decision_regions"}).invariant is None


def test_mlp_is_the_same_network_as_everywhere() -> None:
    run = run_with("accuracy")
    torch.manual_seed(0)
    twin: nn.Module = mlp(run.task, hidden=(16,))
    for a, b in zip(run.model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
