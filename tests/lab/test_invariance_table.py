"""What shifts of scale change: a trained ReLU net with biases, (W₁, b₁)·10 and W₂/10."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.lab.theory import doubled, mlp, shift, task
from tests.lab.views import readings, view
from worker.lab.core.task import Task

SMALL: dict[str, dict[str, Any]] = {
    "sharpness": {"steps": 5, "samples": 5},
    "hessian": {"iterations": 15, "probes": 2},
    "pac_bayes": {"samples": 5},
}


@cache
def trained() -> tuple[Task, nn.Module, dict[str, torch.Tensor]]:
    on = task((20,), classes=5, count=300)
    net = doubled(mlp(on, hidden=(64, 64)))
    initial = {name: w.detach().clone() for name, w in net.named_parameters()}
    optimizer = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(150):
        optimizer.zero_grad()
        F.cross_entropy(net(on.train.x), on.train.y).backward()
        optimizer.step()
    assert bool((net(on.train.x).argmax(1) == on.train.y).all())
    return on, net, initial


@cache
def read(name: str, shifted: bool) -> dict[str, Any]:
    on, net, initial = trained()
    net = copy.deepcopy(net)
    if shifted:
        shift(net, 0, 10.0)
    return readings(name, view(net, on, initial=initial), **SMALL.get(name, {}))


@pytest.mark.parametrize(
    ("name", "reading", "invariant"),
    [
        ("stable_rank", "total", True),
        ("spectral_complexity", "product", True),
        ("spectral_complexity", "origin", True),
        ("spectral_complexity", "initial", False),
        ("layer_distance", "absolute/layer1", False),
        ("path_norm", "l1", True),
        ("path_norm", "l2", True),
        ("fisher_rao", "norm", True),
        ("sharpness", "sam", False),
        ("sharpness", "asam", True),
        ("hessian", "top_eigenvalue", False),
        ("pac_bayes", "isotropic/inverse_variance", False),
        ("margins", "p10", True),
        ("boundary_distance", "median", True),
        ("boundary_distance", "margin_over_gradient", True),
        ("normalized_margins", "median/layer2", True),
    ],
)
def test_what_shifts_change(name: str, reading: str, invariant: bool) -> None:
    before, after = read(name, False)[reading], read(name, True)[reading]
    if invariant:
        assert after == pytest.approx(before, rel=1e-9)
    else:
        assert after > 1.5 * before or after < before / 1.5


def test_the_magnitude_aware_sigma_is_nearly_invariant() -> None:
    """Its ε breaks it, by little where weights are larger than ε."""
    key = "magnitude_aware/inverse_variance"
    before, after = read("pac_bayes", False)[key], read("pac_bayes", True)[key]
    assert after == pytest.approx(before, rel=0.05)
