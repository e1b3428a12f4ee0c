"""What every training method must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import doubled, mlp, shift, task
from tests.laws.fitting import fitting
from worker.contract.events import Measured
from worker.lab import fit
from worker.lab.core.method import Method
from worker.lab.core.registry import entries

METHODS = sorted(entries("method"))
STRENGTHS = [name for name in METHODS if "strength" in entries("method")[name].model_fields]


def spec(*methods: dict[str, Any]) -> dict[str, Any]:
    alone = any(stands_alone(method["name"]) for method in methods)
    return {
        "dataset": {"name": "moons", "examples": 400, "noise": 0.05},
        "model": fitting(*(entries("method")[method["name"]] for method in methods)),
        "methods": [*([] if alone else [{"name": "cross_entropy"}]), *methods],
        "epochs": 30,
        "log_every": 1,
        "diagnostics": [{"name": "accuracy"}],
    }


def stands_alone(name: str) -> bool:
    """Whether it is itself the loss to learn by; others are added to cross-entropy."""
    return bool(entries("method")[name].learns)  # type: ignore[attr-defined]


def curve(*methods: dict[str, Any]) -> list[Measured]:
    return [event for event in fit(spec(*methods)) if isinstance(event, Measured)]


@pytest.mark.parametrize("name", METHODS)
def test_it_learns(name: str) -> None:
    events = curve({"name": name})
    assert events[-1].values["test/accuracy"] > 0.95  # type: ignore[operator]
    assert (f"train/loss/{name}" in events[0].values) == has_losses(name)


def has_losses(name: str) -> bool:
    method = entries("method")[name]
    return any(hook in vars(method) for hook in ("data_loss", "weight_loss"))


@pytest.mark.parametrize("name", STRENGTHS)
def test_no_strength_is_no_method(name: str) -> None:
    without = curve({"name": "cross_entropy"})
    there = curve({"name": name, "strength": 0})
    for a, b in zip(without, there, strict=True):
        assert b.values["train/loss"] == pytest.approx(a.values["train/loss"], abs=1e-6)


@pytest.mark.parametrize("name", STRENGTHS)
def test_its_strength_changes_something(name: str) -> None:
    weak, strong = curve({"name": name}), curve({"name": name, "strength": 0.2})
    key = "train/loss/cross_entropy"
    assert strong[-1].values[key] != pytest.approx(weak[-1].values[key], rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_what_its_card_says_of_shifts_is_true(name: str) -> None:
    """An invariant weight loss keeps its value under a shift; one that is not changes."""
    on = task()
    model = doubled(mlp(on))
    method = Method.of({"name": name})
    before = weight_loss(method, model, on)
    shift(model, 0, 5.0)
    after = weight_loss(method, model, on)
    same = bool(torch.allclose(before, after, rtol=1e-9, atol=0))
    assert method.invariant == same


def weight_loss(method: Method, model: nn.Module, on: Any) -> Tensor:
    found = [loss.detach() for loss in method.weight_loss(model, on).values()]
    return torch.stack(found) if found else torch.zeros(1)
