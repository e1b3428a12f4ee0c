"""What every training method must do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import doubled, mlp, shift, task
from tests.laws.fitting import fitting
from worker.contract.events import Measured
from worker.contract.spec import TrainSpec
from worker.lab import fit
from worker.lab.core.losses import Losses, Roots, backward, detached
from worker.lab.core.method import Method
from worker.lab.core.penalty import Penalty
from worker.lab.core.point import Point
from worker.lab.core.registry import entries
from worker.lab.core.run import Run
from worker.lab.core.step import Step

METHODS = sorted(entries("method"))
STRENGTHS = [name for name in METHODS if "strength" in entries("method")[name].model_fields]
OFF = {name: {"strength": 0} for name in STRENGTHS} | {
    name: entry.off
    for name, entry in entries("method").items()
    if issubclass(entry, Method) and entry.off
}
COSINE = {"name": "sgd", "schedule": "cosine"}


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
    digits = {"dataset": {"name": "digits"}, "epochs": 10, "optimizer": COSINE}
    events = [e for e in fit(spec({"name": name}) | digits) if isinstance(e, Measured)]
    assert events[-1].values["test/accuracy"] > 0.94  # type: ignore[operator]
    assert (f"train/loss/{name}" in events[0].values) == has_losses(name)


def has_losses(name: str) -> bool:
    method = entries("method")[name]
    return any(hook in vars(method) for hook in ("data_loss", "weight_loss", "penalties"))


@pytest.mark.parametrize("name", OFF)
def test_no_strength_is_no_method(name: str) -> None:
    without = curve({"name": "cross_entropy"})
    there = curve({"name": name, **OFF[name]})
    for a, b in zip(without, there, strict=True):
        assert b.values["train/loss"] == pytest.approx(a.values["train/loss"], abs=1e-6)


@pytest.mark.parametrize("name", STRENGTHS)
def test_its_strength_changes_something(name: str) -> None:
    weak, strong = curve({"name": name}), curve({"name": name, "strength": 0.2})
    key = "train/loss/cross_entropy"
    assert strong[-1].values[key] != pytest.approx(weak[-1].values[key], rel=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_what_its_card_says_of_shifts_is_true(name: str) -> None:
    """The losses of an invariant method, where it has them taken, keep their values under a shift
    of scale that keeps the function; those of one that is not change."""
    before, after = (losses(name, factor) for factor in (1.0, 5.0))
    same = bool(torch.allclose(before, after, rtol=1e-9, atol=0))
    assert Method.of({"name": name}).invariant == same


@pytest.mark.parametrize("name", METHODS)
def test_the_way_past_autograd_leads_to_the_same_gradients(name: str) -> None:
    (run, short), (twin, through) = (started(name) for _ in range(2))
    backward(short)
    roots = [(r.loss() if isinstance(r, Penalty) else r, outer) for r, outer in through]
    torch.autograd.backward(*zip(*roots, strict=True))
    for mine, wanted in zip(run.weights, twin.weights, strict=True):
        assert (mine.grad is None) == (wanted.grad is None)
        if mine.grad is not None and wanted.grad is not None:
            assert torch.allclose(mine.grad, wanted.grad, rtol=1e-5, atol=1e-7)


def started(name: str) -> tuple[Run, Roots]:
    """A run with the method, and where the backward pass of its first step starts."""
    run = Run.build(TrainSpec.model_validate(spec({"name": name}) | {"seed": 1}), None)
    head = run.task.train.head(32)
    torch.manual_seed(0)
    return run, run.look(head.x, head.y)[1]


def losses(name: str, factor: float) -> Tensor:
    """Every example's losses and those of the weights, on a network shifted by a factor."""
    on, method = task(), Method.of({"name": name})
    model: nn.Module = doubled(mlp(on))
    shift(model, 0, factor)
    model = model if "batch_norm" in method.needs else method.prepare(model, on)
    methods = [method] if method.learns else [Method.of({"name": "cross_entropy"}), method]
    at = Point(on.train.x.double())
    torch.manual_seed(0)
    step = Step(model, on, 0, 1, on.train.y, at, at, torch.Generator().manual_seed(0))
    roots, _ = Losses(methods).terms(step)
    return torch.cat([torch.as_tensor(detached(loss)).reshape(-1) for loss, _ in roots])
