"""One training step of the lab, to be compared with the same step written plainly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.spec import TrainSpec
from worker.lab.core.run import Run

LR, MOMENTUM = 0.1, 0.9
Plain = Callable[[nn.Module, Tensor, Tensor], None]
"""Leaves gradients in a network, given a batch."""


def started(*methods: dict[str, Any], batch_norm: bool = True) -> Run:
    """A run on digits at step 0, in double precision: the sign of a small slope must not hang on
    rounding. It does even so where the slope is zero: behind batch normalisation, at the weights
    of a pixel that is always dark."""
    spec = {
        "dataset": {"name": "digits", "examples": 64},
        "model": {"name": "mlp", "hidden": [12, 10], "batch_norm": batch_norm},
        "methods": list(methods),
        "optimizer": {"name": "sgd", "lr": LR, "momentum": MOMENTUM},
    }
    run = Run.build(TrainSpec.model_validate(spec), None)
    run.model.double()
    return run


def batch(run: Run, index: int = 0) -> tuple[Tensor, Tensor]:
    rows = slice(20 * index, 20 * index + 20)
    return run.task.train.x[rows].double(), run.task.train.y[rows]


def trained(run: Run, steps: int = 2) -> nn.Module:
    for index in range(steps):
        step, _ = run.gradients(*batch(run, index))
        run.update(step)
    return run.model


def plainly(run: Run, gradients: Plain, steps: int = 2) -> nn.Module:
    """A copy of the run's network, trained by torch's optimizer with gradients left by hand."""
    model = copy.deepcopy(run.model)
    optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM)
    for index in range(steps):
        optimizer.zero_grad()
        gradients(model, *batch(run, index))
        optimizer.step()
    return model


def assert_same(one: nn.Module, other: nn.Module, atol: float = 1e-6) -> None:
    """Parameters and buffers, the running statistics among them."""
    there = other.state_dict()
    for name, value in one.state_dict().items():
        assert torch.allclose(value, there[name], rtol=0, atol=atol), name


def cross_entropy(model: nn.Module, x: Tensor, y: Tensor) -> None:
    F.cross_entropy(model(x), y).backward()


def at_worse(model: nn.Module, x: Tensor, y: Tensor, worse: Callable[[nn.Module], None]) -> None:
    """Gradients at weights that `worse` moved by looking at the gradients of the clean ones;
    the weights are put back. Running statistics are of the second pass."""
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
    cross_entropy(model, x, y)
    for name, buffer in model.named_buffers():
        buffer.copy_(statistics[name])
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    with torch.no_grad():
        worse(model)
    model.zero_grad()
    cross_entropy(model, x, y)
    with torch.no_grad():
        for parameter, weight in zip(model.parameters(), weights, strict=True):
            parameter.copy_(weight)
