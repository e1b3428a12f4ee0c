"""The Jacobian penalty: exact with all classes, unbiased with random projections."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.lab.textbook import assert_same, plainly, started, trained
from tests.lab.theory import cnn, doubled, mlp, task
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.methods.jacobian import Jacobian

CE = {"name": "cross_entropy"}


def taken(model: nn.Module, on: Task, seed: int = 0, count: int = 8) -> Step:
    x = on.train.x[:1].double().expand(count, *on.shape) if count > 48 else on.train.x[:count]
    at = Point(x.double())
    generator = torch.Generator().manual_seed(seed)
    return Step(model, on, 0, 1, on.train.y[:count], at, at, generator, ahead=True)


def exact(model: nn.Module, x: Tensor) -> Tensor:
    """‖J‖_F² of each example by autograd's own Jacobian."""
    found = [
        torch.autograd.functional.jacobian(lambda z: model(z[None])[0], one).square().sum()
        for one in x
    ]
    return torch.stack(found)


@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_with_every_class_it_is_exact(net: str) -> None:
    on = task() if net == "mlp" else task((1, 8, 8))
    model = doubled(mlp(on) if net == "mlp" else cnn(on))
    step = taken(model, on)
    loss = Jacobian(strength=0.6, projections=0).data_loss(step)["jacobian"]
    assert torch.allclose(loss.detach(), 0.3 * exact(model, step.clean.x), rtol=1e-10)


@pytest.mark.parametrize("projections", [1, 3])
def test_random_projections_are_without_bias_and_vary_as_they_should(projections: int) -> None:
    """On a linear network ‖J‖_F² = ‖W‖_F² / std², and the estimate K · vᵀ A v, A = J Jᵀ, with v on
    the sphere has the variance 2 (K tr A² − (tr A)²) / (K + 2), over n projections by n less."""
    count = 40_000
    on = task()
    model = doubled(mlp(on, hidden=()))
    step = taken(model, on, count=count)
    found = Jacobian(strength=2, projections=projections).data_loss(step)["jacobian"].detach()
    (layer,) = (m for m in model.modules() if isinstance(m, nn.Linear))
    weight = layer.weight.detach() / 0.3
    gram, classes = weight @ weight.T, len(weight)
    trace, square = float(gram.trace()), float((gram @ gram).trace())
    variance = 2 * (classes * square - trace**2) / (classes + 2) / projections
    assert float(found.mean()) == pytest.approx(trace, abs=4 * (variance / count) ** 0.5)
    assert float(found.var()) == pytest.approx(variance, rel=0.05)


def test_examples_and_steps_draw_their_own_directions_and_a_seed_repeats_them() -> None:
    on = task()
    model = doubled(mlp(on, hidden=()))

    def value(seed: int) -> Tensor:
        return Jacobian().data_loss(taken(model, on, seed))["jacobian"].detach()

    assert torch.equal(value(1), value(1))
    assert not torch.allclose(value(1), value(2))
    assert len(value(1).unique()) == 8  # a linear network has one Jacobian: only directions differ


def test_the_step_is_double_backpropagation() -> None:
    run = started(CE, {"name": "jacobian", "strength": 0.5, "projections": 0})

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        x = x.clone().requires_grad_()
        logits = model(x)
        rows = [torch.autograd.grad(logits[:, k].sum(), x, create_graph=True)[0] for k in range(10)]
        square = torch.stack([row.square().sum() for row in rows]).sum()
        loss = nn.functional.cross_entropy(logits, y) + 0.25 * square / len(x)
        loss.backward()

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)
