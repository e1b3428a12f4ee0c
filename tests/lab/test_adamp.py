"""The AdamP projection against the paper's optimizer, written plainly."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.textbook import assert_same, batch, plainly, started, trained
from worker.contract.spec import TrainSpec
from worker.lab.core.run import Run

CE = {"name": "cross_entropy"}


def projected(p: Tensor, grad: Tensor, move: Tensor, delta: float) -> tuple[Tensor, bool]:
    """The move without its radial part where the weight's scale does not matter."""
    for rows in (p.flatten(1), p.reshape(1, -1)):
        slopes, moves = grad.view_as(rows), move.view_as(rows)
        cosines = (slopes * rows).sum(1) / (slopes.norm(dim=1) * rows.norm(dim=1)).clamp_min(1e-8)
        if float(cosines.abs().max()) < delta / math.sqrt(rows.shape[1]):
            unit = rows / rows.norm(dim=1, keepdim=True)
            return (moves - unit * (unit * moves).sum(1, keepdim=True)).view_as(p), True
    return move, False


def adamw_run(*methods: dict[str, Any]) -> Run:
    spec = {
        "dataset": {"name": "digits", "examples": 64},
        "model": {"name": "mlp", "hidden": [12, 10], "batch_norm": True},
        "methods": [CE, *methods],
        "optimizer": {"name": "adamw", "lr": 0.01, "weight_decay": 0.5},
    }
    run = Run.build(TrainSpec.model_validate(spec), None)
    run.model.double()
    return run


@pytest.mark.parametrize("delta", [0.1, 0.5])
def test_with_adamw_it_is_adamp(delta: float) -> None:
    run = adamw_run({"name": "adamp", "delta": delta, "wd_ratio": 0.3})
    model = copy.deepcopy(run.model)
    first = {p: torch.zeros_like(p) for p in model.parameters()}
    second = {p: torch.zeros_like(p) for p in model.parameters()}
    hits = 0
    for count in range(1, 4):
        model.zero_grad()
        x, y = batch(run, count - 1)
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p in model.parameters():
                assert p.grad is not None
                first[p] = 0.9 * first[p] + 0.1 * p.grad
                second[p] = 0.999 * second[p] + 0.001 * p.grad**2
                scale = (second[p] / (1 - 0.999**count)).sqrt() + 1e-8
                move = first[p] / (1 - 0.9**count) / scale
                ratio = 1.0
                if p.dim() > 1:
                    move, hit = projected(p, p.grad, move, delta)
                    ratio, hits = (0.3, hits + 1) if hit else (ratio, hits)
                p.mul_(1 - 0.01 * 0.5 * ratio).sub_(0.01 * move)
    assert_same(trained(run, 3), model)
    assert hits >= 3


def test_with_sgd_the_update_is_orthogonal_to_scale_invariant_weights_only() -> None:
    run = started(CE, {"name": "adamp"})
    trained(run, 2)
    before = [layer.weight.detach().clone() for layer in run.layers.modules]
    step, _ = run.gradients(*batch(run, 2))
    run.update(step)
    radial = []
    for layer, was in zip(run.layers.modules, before, strict=True):
        move = layer.weight.detach() - was
        radial.append(float(F.cosine_similarity(move, was, dim=1).abs().max()))
    assert max(radial[:2]) < 1e-12
    assert radial[2] > 1e-3


def test_momentum_without_it_is_not_orthogonal() -> None:
    run = started(CE)
    trained(run, 2)
    was = run.layers.modules[0].weight.detach().clone()
    trained(run, 1)
    move = run.layers.modules[0].weight.detach() - was
    assert float(F.cosine_similarity(move, was, dim=1).abs().max()) > 1e-3


def test_norms_grow_by_the_squared_step_alone() -> None:
    run = started(CE, {"name": "adamp"})
    trained(run, 1)
    layer = run.layers.modules[0]
    was = layer.weight.detach().clone()
    trained(run, 1)
    now = layer.weight.detach()
    grown = now.square().sum(1) - was.square().sum(1)
    assert torch.allclose(grown, (now - was).square().sum(1), rtol=1e-9)


def test_where_no_weight_is_scale_invariant_it_is_the_optimizers_own_step() -> None:
    run = started(CE, {"name": "adamp", "delta": 0.001}, batch_norm=False)

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        F.cross_entropy(model(x), y).backward()

    plain = plainly(run, gradients)
    assert_same(trained(run), plain, atol=0)
