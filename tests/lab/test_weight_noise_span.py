"""Weights outside the span of the inputs: planted spans, and a training that cannot reach them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import task
from worker.contract.measurement import Curve
from worker.contract.spec import TrainSpec
from worker.lab.core.diagnostic import View
from worker.lab.core.layers import Layers
from worker.lab.core.run import Run
from worker.lab.core.span import patches
from worker.lab.core.task import Split, Task
from worker.lab.diagnostics.weight_noise_span import WeightNoiseSpan

PREFIX = "diagnostic/weight_noise_span"


def view(model: nn.Module, on: Task) -> View:
    none: Any = None
    return View(model.eval(), on, Layers.of(model), none, none, none, None, torch.Generator())


@torch.no_grad()
def read(model: nn.Module, on: Task, **params: Any) -> dict[str, Any]:
    found = dict(WeightNoiseSpan(**params).study(view(model, on)))
    return {name.removeprefix(f"{PREFIX}/"): value for name, value in found.items()}


def planted(centre: float) -> tuple[Task, Tensor]:
    """Inputs on a plane of R⁶ that is `centre` away from the origin, and the plane's basis."""
    on = task((6,), count=300)
    torch.manual_seed(0)
    basis, _ = torch.linalg.qr(torch.randn(6, 3, dtype=torch.float64))
    x = (torch.randn(300, 2) * torch.tensor([3.0, 1.0])) @ basis[:, :2].T.float()
    x = x + centre * basis[:, 2].float()
    return replace(on, train=Split(x, on.train.y[:1].expand(300))), basis


def layer(norm: bool) -> nn.Sequential:
    torch.manual_seed(1)
    linear = nn.Linear(6, 5)
    return nn.Sequential(linear, nn.BatchNorm1d(5)) if norm else nn.Sequential(linear)


@pytest.mark.parametrize(("norm", "dimension"), [(True, 2), (False, 3)])
def test_a_planted_span_is_found_centred_before_batch_norm(norm: bool, dimension: int) -> None:
    on, basis = planted(centre=2.0)
    model = layer(norm)
    found = read(model, on, energy=1.0 - 1e-9)
    w = model[0].weight.detach().double()
    outside = w - w @ basis[:, :dimension] @ basis[:, :dimension].T
    expected = outside.norm(dim=1) / w.norm(dim=1)
    assert float(found["share/layer1"]) == pytest.approx(float(expected.mean()), rel=1e-4)
    assert float(found["length/layer1"]) == pytest.approx(
        float(outside.norm(dim=1).mean()), rel=1e-4
    )
    assert found["isotropic/layer1"] == pytest.approx((1 - dimension / 6) ** 0.5)


def test_the_share_falls_with_the_energy_and_the_curve_starts_at_one() -> None:
    on, _ = planted(centre=0.0)
    found = [read(layer(False), on, energy=energy) for energy in (0.5, 0.95)]
    assert [f["isotropic/layer1"] ** 2 for f in found] == pytest.approx([5 / 6, 4 / 6])
    shares = [float(f["share/layer1"]) for f in found]
    curve = found[0]["curve/layer1"]
    assert isinstance(curve, Curve)
    assert curve.y[0] == pytest.approx(1)
    assert curve.y[1:3] == pytest.approx(shares), "the curve is the share at each dimension"


def test_patches_are_what_a_kernel_sees() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    x = torch.randn(4, 2, 7, 7)
    rows = patches(conv, x)
    by_rows = (rows @ conv.weight.flatten(1).T).view(4, 16, 3).transpose(1, 2)
    assert torch.allclose(by_rows, conv(x).flatten(2), atol=1e-6)


def run(**more: Any) -> Run:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [16], "batch_norm": True},
        "optimizer": {"name": "sgd", "lr": 0.1},
        **more,
    }
    return Run.build(TrainSpec.model_validate(spec), None)


def trained(run: Run, steps: int = 60) -> Run:
    for index in range(steps):
        rows = slice(64 * index % 1024, 64 * index % 1024 + 64)
        step, _ = run.gradients(run.task.train.x[rows], run.task.train.y[rows])
        run.update(step)
    return run


def test_descent_leaves_the_noise_where_it_was_and_decay_removes_it() -> None:
    """Some pixels of the digits never change: an exact null space of the first layer."""
    asked: dict[str, Any] = {"energy": 1.0, "largest": 100}
    start = run()
    before = float(read(start.model, start.task, **asked)["length/layer1"])
    assert before > 0.01
    sgd = trained(run())
    assert float((sgd.layers.weights[0] - sgd.initial["2.weight"]).detach().norm()) > 1
    found = read(sgd.model, sgd.task, **asked)
    assert float(found["length/layer1"]) == pytest.approx(before, rel=1e-4)
    decayed = trained(
        run(methods=[{"name": "cross_entropy"}, {"name": "lp", "strength": 0.01}]), 60
    )
    assert float(read(decayed.model, decayed.task, **asked)["length/layer1"]) < 0.8 * before


def test_a_rescale_leaves_the_share() -> None:
    made = trained(run())
    before = read(made.model, made.task)
    with torch.no_grad():
        made.layers.weights[0].mul_(3)
    after = read(made.model, made.task)
    assert float(after["share/layer1"]) == pytest.approx(float(before["share/layer1"]))
    assert float(after["length/layer1"]) == pytest.approx(3 * float(before["length/layer1"]))
