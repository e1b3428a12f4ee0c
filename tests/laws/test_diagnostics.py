"""What every diagnostic must do: look, and touch nothing."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.theory import doubled, mlp, shift
from worker.contract.measurement import Shape, encoded
from worker.contract.spec import TrainSpec
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.registry import entries
from worker.lab.core.run import Run
from worker.lab.core.watch import Watch

DIAGNOSTICS = sorted(entries("diagnostic"))


def run_with(name: str) -> Run:
    plane = not Diagnostic.of({"name": name}).applies(digits_task())
    data = {"name": "moons", "examples": 200} if plane else {"name": "digits"}
    spec = {"dataset": data, "model": {"name": "mlp", "hidden": [16]}}
    return Run.build(TrainSpec.model_validate({**spec, "diagnostics": [{"name": name}]}), None)


def digits_task() -> Any:
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": []}}
    return Run.build(TrainSpec.model_validate(spec), None).task


def readings(run: Run) -> dict[str, Any]:
    head = run.task.train.head(32)
    step, _, _ = run.look(head.x.to(run.layers.weights[0].dtype), head.y)
    watch = Watch(run)
    view = watch.view(step)
    values = watch.measure(view) | watch.survey(view)
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
    run = run_with(name)
    model = doubled(run.model)
    before = readings(run)
    shift(model, 0, 5.0)
    after = readings(run)
    same = [after[key] == pytest.approx(value, rel=1e-9) for key, value in before.items()]
    assert Diagnostic.of({"name": name}).invariant == all(same)


def test_a_shape_has_no_flag() -> None:
    assert Diagnostic.of({"name": "decision_regions"}).invariant is None


def test_mlp_is_the_same_network_as_everywhere() -> None:
    run = run_with("accuracy")
    torch.manual_seed(0)
    twin: nn.Module = mlp(run.task, hidden=(16,))
    for a, b in zip(run.model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)
