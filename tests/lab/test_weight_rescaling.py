"""Weight rescaling against the theory of scale-invariant weights, by our own training step."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import centred, doubled, task
from worker.contract import plan as plans
from worker.contract.spec import TrainSpec
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.losses import Losses
from worker.lab.core.method import Method
from worker.lab.core.model import Model
from worker.lab.core.optimizer import Optimizer, trainable
from worker.lab.core.registry import entries
from worker.lab.core.run import Run
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.core.watch import Watch
from worker.lab.diagnostics.effective_learning_rate import EffectiveLearningRate
from worker.lab.diagnostics.step_angle import angles
from worker.lab.methods.weight_rescaling import WeightRescaling

INPUTS = 400


class Normed(Model):
    """Convolutions, a residual block and linear layers, most of them before batch norm."""

    plan: ClassVar[list[plans.Layer]] = [
        plans.Conv(out=4),
        plans.BatchNorm(),
        plans.Residual(
            branch=[plans.Conv(out=4), plans.BatchNorm(), plans.Relu(), plans.Conv(out=4)],
            shortcut=[plans.Conv(out=4, kernel=1, padding=0, bias=False), plans.BatchNorm()],
        ),
        plans.Relu(),
        plans.Flatten(),
        plans.Linear(out=8),
        plans.BatchNorm(),
        plans.Relu(),
        plans.Linear(out="classes"),
    ]


def normed(on: Task) -> nn.Module:
    """In double precision, its ε small, its statistics those of a few batches."""
    torch.manual_seed(1)
    model = doubled(Normed().build(on))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eps = 1e-14
    for _ in range(3):
        model(centred(on, model))
    return model


IMAGES = task((2, 6, 6))


@pytest.mark.parametrize("per", ["filter", "layer"])
@pytest.mark.parametrize("training", [True, False])
def test_a_rescale_changes_no_function(per: Any, training: bool) -> None:
    model = normed(IMAGES).train(training)
    x = centred(IMAGES, model)
    with torch.no_grad():
        before = model(x)
        weights = [weight.clone() for weight in Layers.of(model).weights]
        WeightRescaling(per=per).prepare(model, IMAGES)
        assert torch.allclose(model(x), before, rtol=1e-9, atol=1e-9)
    moved = [not torch.equal(a, b) for a, b in zip(weights, Layers.of(model).weights, strict=True)]
    assert moved == [True, True, False, True, True, False], "those before batch norm, no other"


def test_unit_and_initial_norms() -> None:
    model = WeightRescaling().prepare(normed(IMAGES), IMAGES)
    first = Layers.of(model).weights[0].detach()
    assert torch.allclose(first.flatten(1).norm(dim=1), torch.ones(4, dtype=first.dtype))
    whole = WeightRescaling(per="layer").prepare(normed(IMAGES), IMAGES)
    assert float(Layers.of(whole).weights[0].detach().norm()) == pytest.approx(2)
    before = [weight.clone() for weight in Layers.of(normed(IMAGES)).weights]
    kept = WeightRescaling(norm="initial").prepare(normed(IMAGES), IMAGES)
    for a, b in zip(before, Layers.of(kept).weights, strict=True):
        assert torch.allclose(a, b, rtol=1e-14)


def digits_run(model: dict[str, Any] | None = None, **method: Any) -> Run:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [16], **(model or {"batch_norm": True})},
        "methods": [{"name": "cross_entropy"}, {"name": "weight_rescaling", **method}],
    }
    return Run.build(TrainSpec.model_validate(spec), None)


def steps(run: Run, count: int) -> list[float]:
    """The norm of the first layer's first filter after each step."""
    norms = []
    for index in range(count):
        rows = slice(64 * index % 1024, 64 * index % 1024 + 64)
        step, _ = run.gradients(run.task.train.x[rows], run.task.train.y[rows])
        run.update(step)
        norms.append(float(run.layers.weights[0][0].norm().detach()))
    return norms


def test_every_so_many_steps_or_once_an_epoch() -> None:
    def kept(norms: list[float]) -> list[int]:
        return [at for at, norm in enumerate(norms) if abs(norm - 1) < 1e-6]

    assert kept(steps(digits_run(every=3), 9)) == [2, 5, 8]
    assert kept(steps(digits_run(every=0), 46)) == [22, 45], "1,437 examples are 23 steps"
    assert kept(steps(digits_run(every=1, norm="initial"), 5)) == []


@pytest.mark.parametrize(("name", "powers"), [("sgd", [1]), ("adamw", [1, 2])])
def test_the_optimizers_memory_is_left_or_scaled(name: str, powers: list[int]) -> None:
    weight = nn.Parameter(torch.ones(2, 3))
    model = nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2))
    model[0].weight = weight
    for buffers, factor in (("left", 1.0), ("scaled", 2.0)):
        method = WeightRescaling(buffers=buffers, every=5)  # type: ignore[arg-type]
        method.prepare(model, IMAGES)
        with torch.no_grad():
            weight.mul_(2)
        optimizer = Optimizer.of({"name": name}).build(model)
        weight.grad = torch.ones(2, 3)
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        optimizer.step()
        keys = ["momentum_buffer"] if name == "sgd" else ["exp_avg", "exp_avg_sq"]
        before = [optimizer.state[weight][key].clone() for key in keys]
        with torch.no_grad():
            method.project(model, a_step(model, optimizer))
        for key, power, old in zip(keys, powers, before, strict=True):
            assert torch.allclose(optimizer.state[weight][key], old * factor**power)


def a_step(model: nn.Module, optimizer: torch.optim.Optimizer) -> Step:
    none: Any = None
    return Step(model, none, 4, 5, none, none, none, torch.Generator(), optimizer=optimizer)


class Noise(Method):
    """A loss of the direction alone, whose gradient at unit norm has length 1, about."""

    def data_loss(self, step: Step) -> dict[str, Tensor]:
        (weight,) = Layers.of(step.model).weights
        xi = torch.randn(weight.shape, generator=step.generator, dtype=weight.dtype)
        return {"noise": (xi / xi.norm() * weight).sum().div(weight.norm()).expand(len(step.y))}


def noisy(*methods: dict[str, Any], lr: float, momentum: float, norm: float = 1.0) -> Run:
    """One filter before batch norm under noise: the setting of the norm-growth law."""
    on = task((INPUTS,), count=1)
    torch.manual_seed(0)
    model: nn.Module = nn.Sequential(nn.Linear(INPUTS, 1, bias=False), nn.BatchNorm1d(1)).double()
    with torch.no_grad():
        model[0].weight.mul_(norm / model[0].weight.norm())  # type: ignore[index, union-attr]
    found = [Noise(), *(Method.of(method) for method in methods)]
    for method in found:
        model = method.prepare(model, on)
    recipe = Optimizer.of({"name": "sgd", "lr": lr, "momentum": momentum})
    spec = TrainSpec.model_validate(
        {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 100_000}
    )
    dice = torch.Generator().manual_seed(0)
    parts = (recipe, recipe.build(model), [], dice, trainable(model), 0, {})
    return Run(spec, torch.device("cpu"), on, model, Layers.of(model), Losses(found), *parts)


def turned(run: Run, count: int) -> list[float]:
    """The angle of every step."""
    found = []
    (weight,) = run.layers.weights
    for _ in range(count):
        before = weight.detach().clone()
        step, _ = run.gradients(run.task.train.x.double(), run.task.train.y)
        run.update(step)
        found.append(float(angles(before, weight.detach())))
    return found


def norm_of(run: Run) -> float:
    return float(run.layers.weights[0].detach().norm())


@pytest.mark.parametrize(("momentum", "lr"), [(0.0, 0.1), (0.9, 0.01)])
def test_norms_only_grow_by_the_law(momentum: float, lr: float) -> None:
    run = noisy(lr=lr, momentum=momentum)
    turned(run, 3000)
    expected = 1 + 2 * (lr / (1 - momentum)) ** 2 * 3000
    assert norm_of(run) ** 4 == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_weight_decay_settles_at_its_norm_and_angle(momentum: float) -> None:
    lr, decay = (0.1, 5e-3) if momentum == 0 else (0.02, 5e-3)
    expected = lr / (2 * decay * (1 - momentum))
    run = noisy({"name": "lp", "strength": decay}, lr=lr, momentum=momentum, norm=expected**0.25)
    turned(run, 1500)
    found = turned(run, 1500)
    assert norm_of(run) ** 4 == pytest.approx(expected, rel=0.02)
    angle = math.sqrt(2 * lr * decay / (1 + momentum))
    assert sum(found) / len(found) == pytest.approx(angle, rel=0.02)


def test_the_matched_learning_rate_has_the_angle_of_weight_decay() -> None:
    lr, decay, momentum = 0.1, 5e-4, 0.9
    matched = math.sqrt(2 * lr * decay * (1 - momentum))
    run = noisy({"name": "weight_rescaling"}, lr=matched, momentum=momentum)
    found = turned(run, 1500)[200:]
    angle = math.sqrt(2 * lr * decay / (1 + momentum))
    assert sum(found) / len(found) == pytest.approx(angle, rel=0.02)


@pytest.mark.parametrize("every", [1, 50, 400])
def test_the_angle_between_two_rescales(every: int) -> None:
    lr = 0.05
    run = noisy({"name": "weight_rescaling", "every": every}, lr=lr, momentum=0.0)
    found = turned(run, 1200)
    law = [lr / math.sqrt(1 + 2 * lr**2 * at) for at in range(every)]
    assert sum(found) / len(found) == pytest.approx(sum(law) / every, rel=0.02)
    assert norm_of(run) == pytest.approx(1)


@pytest.mark.parametrize(("optimizer", "power"), [("sgd", 2), ("adamw", 1)])
def test_the_effective_learning_rate(optimizer: str, power: int) -> None:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [16], "batch_norm": True},
        "optimizer": {"name": optimizer, "lr": 0.03},
        "diagnostics": [{"name": "effective_learning_rate"}],
    }
    run = Run.build(TrainSpec.model_validate(spec), None)
    with torch.no_grad():
        weight = run.layers.weights[0]
        weight.mul_(2 / weight.flatten(1).norm(dim=1, keepdim=True))
    watch = Watch(run)
    step, _, _ = run.look(run.task.train.x[:8], run.task.train.y[:8])
    values = watch.measure(watch.view(step))
    values.pop("learning_rate")
    ((name, value),) = values.items()
    assert name == "diagnostic/effective_learning_rate/layer1", "the last layer has none"
    assert float(value) == pytest.approx(0.03 / 2**power)  # type: ignore[arg-type]


def test_it_is_refused_without_batch_norm() -> None:
    with pytest.raises(LabError, match=r"methods\.1: weight_rescaling needs batch norm"):
        digits_run(model={"batch_norm": False})
    with pytest.raises(LabError, match="batch normalisation"):
        WeightRescaling().prepare(nn.Sequential(nn.Linear(2, 2)), IMAGES)
    assert EffectiveLearningRate.needs == entries("method")["weight_rescaling"].needs
