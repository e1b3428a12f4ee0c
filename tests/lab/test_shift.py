"""Scale moved between layers leaves the function as it was, in every kind of network."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.theory import task
from worker.contract.measurement import Table
from worker.contract.spec import TrainSpec
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.model import Model
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.registry import entries
from worker.lab.core.shift import free_layers, shift

KINDS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [12, 10]},
    "mlp without biases": {"hidden": [12, 10], "bias": False},
    "cnn": {"channels": [3, 4], "hidden": [8]},
    "mlp with batch norm": {"hidden": [12, 10], "batch_norm": True},
    "cnn with batch norm": {"channels": [3, 4], "hidden": [8], "batch_norm": True},
    "resnet": {"width": 4, "blocks": 1, "batch_norm": False},
    "resnet with batch norm": {"width": 4, "blocks": 1, "batch_norm": True},
    "preact_resnet": {"width": 4, "blocks": 1},
}
SHAPE = (2, 8, 8)


def network(kind: str) -> nn.Module:
    """In double precision, with statistics that are not those of the start."""
    torch.manual_seed(1)
    name = kind.split()[0]
    model = Model.of({"name": name, **KINDS[kind]}).build(task(SHAPE)).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias)
            module.eps = 1e-300
    model.train()
    for _ in range(5):
        model(torch.rand(32, *SHAPE, dtype=torch.double))
    return model.eval()


known = [kind for kind in KINDS if kind.split()[0] in entries("model")]


@pytest.mark.parametrize("kind", known)
def test_the_function_stays(kind: str) -> None:
    model = network(kind)
    count = len(Layers.of(model).modules)
    factors = [2.0 ** ((i * 7) % 5 - 2) for i in range(count)]
    x = torch.rand(20, *SHAPE, dtype=torch.double)
    moved = shift(model, factors)
    assert torch.allclose(moved.model(x), model(x), rtol=1e-9, atol=1e-9)
    assert any(abs(math.log(factor)) > 0.1 for factor in moved.factors)
    for asked, used, free in zip(factors, moved.factors, free_layers(model), strict=True):
        assert not free or used == asked


def test_only_the_last_layer_of_a_plain_net_is_not_free() -> None:
    assert free_layers(network("mlp")) == [True, True, False]
    moved = shift(network("mlp"), [2.0, 3.0, 100.0])
    assert moved.factors == pytest.approx([2, 3, 1 / 6])


def test_biases_by_their_own_factor_would_change_the_function() -> None:
    """The rule that reads naturally, b_l → c_l b_l, is wrong."""
    model = network("mlp")
    x = torch.rand(20, *SHAPE, dtype=torch.double)
    right = shift(model, [2.0, 3.0, 1.0]).model
    wrong = shift(model, [2.0, 3.0, 1.0]).model
    layers = Layers.of(wrong).modules
    with torch.no_grad():
        layers[1].bias.div_(2.0)
    assert torch.allclose(right(x), model(x))
    assert not torch.allclose(wrong(x), model(x), atol=1e-3)


def test_the_model_itself_is_left_alone() -> None:
    model = network("cnn")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    shift(model, [3.0] * 4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("factors", [[1.0], [1.0, -1.0, 1.0], [0.0, 1.0, 1.0]])
def test_bad_factors_are_refused(factors: list[float]) -> None:
    with pytest.raises(LabError, match="factors"):
        shift(network("mlp"), factors)


@pytest.mark.parametrize(("log2", "told"), [([0.0] * 4, "4 given, 3"), ([1, 0, 2], "layer 3")])
def test_an_exponent_that_no_layer_can_take_is_refused(log2: list[float], told: str) -> None:
    for name in ("shift", "train_from_here"):
        with pytest.raises(LabError, match=told):
            answer(name=name, log2=log2)


def test_each_measure_says_what_it_is_taken_on() -> None:
    columns = answer(name="shift", examples=7)["measures"].columns
    taken = dict(zip(columns["measure"], columns["on"], strict=True))
    assert taken["SAM sharpness, ρ = 0.05"] == "the first 7 test examples"
    assert taken["intrinsic norm, ∏ ‖W‖"] == "the weights"


def subject() -> Subject:
    on = task(SHAPE)
    torch.manual_seed(1)
    model = Model.of({"name": "mlp", "hidden": [12, 10]}).build(on).eval()
    recipe = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}
    return Subject(model, on, TrainSpec.model_validate(recipe))


def answer(**probe: Any) -> dict[str, Any]:
    found = Probe.of(probe).answer(subject(), torch.Generator())  # type: ignore[attr-defined]
    assert isinstance(found, dict)
    return found


def test_the_probe_tells_what_is_blind_and_what_is_not() -> None:
    found = answer(name="shift", log2=[3.0, -1.0])
    assert found["change"] < 1e-5 * found["logits"] * 10
    table = found["measures"]
    assert isinstance(table, Table)
    verdicts = dict(zip(table.columns["measure"], table.columns["invariant"], strict=True))
    blind = {name for name, same in verdicts.items() if same}
    assert {name.split(",")[0] for name in verdicts if name not in blind} == {
        "weight decay",
        "L1 penalty",
        "SAM sharpness",
    }
    assert found["norms/after"].y[0] == pytest.approx(8 * found["norms/before"].y[0], rel=1e-5)


def test_nothing_moved_changes_nothing() -> None:
    found = answer(name="shift")
    assert found["change"] == 0
    assert all(found["measures"].columns["invariant"])


def test_a_step_differs_with_the_start_under_weight_decay_as_its_gradient_says() -> None:
    """∂CE moves both; the penalty alone, at learning rate η, scales W by 1 − ηλ."""
    columns = answer(
        name="train_from_here", log2=[3.0], steps=5, lr=0.1, weight_decay=0.5, weissi=0.0
    )["first"].columns
    starts = zip(columns["start"], columns["penalty"], strict=True)
    rows = dict(zip(starts, columns["norm after"], strict=True))
    assert rows["original", "none"] == rows["original", "WEISSI"]
    assert rows["original", "weight decay"] < rows["original", "none"]
    there = pytest.approx(rows["original", "weight decay"], rel=1e-3)
    assert rows["shifted", "weight decay"] != there
    assert columns["norm before"] == pytest.approx([columns["norm before"][0]] * 6, rel=1e-4)


def test_the_walk_is_plain_gradient_descent() -> None:
    one = subject()
    found = answer(name="train_from_here", steps=3, batch_size=48, lr=0.1, weight_decay=0.2)
    model = one.model
    train = one.task.train
    for _ in range(3):
        loss = nn.functional.cross_entropy(model(train.x), train.y)
        loss = loss + 0.1 * sum(layer.weight.square().sum() for layer in Layers.of(model).modules)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        with torch.no_grad():
            for weight, grad in zip(model.parameters(), grads, strict=True):
                weight -= 0.1 * grad
    norm = float(Layers.of(model).norms().prod())
    assert found["norm/weight decay/original"].y[-1] == pytest.approx(norm, rel=1e-4)
