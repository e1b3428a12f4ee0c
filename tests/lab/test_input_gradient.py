"""The input-gradient penalty against autograd's own Jacobian and closed forms."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.textbook import assert_same, batch, plainly, started, trained
from tests.lab.theory import cnn, doubled, mlp, task
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.core.task import Task
from worker.lab.methods.input_gradient import InputGradient

CE = {"name": "cross_entropy"}
NORMS: list[Literal["l2", "l1"]] = ["l2", "l1"]


def taken(model: nn.Module, on: Task) -> Step:
    at = Point(on.train.x[:8].double())
    return Step(model, on, 0, 1, on.train.y[:8], at, at, torch.Generator(), ahead=True)


def by_hand(model: nn.Module, step: Step, norm: str) -> Tensor:
    """Each example's gradient from autograd's Jacobian of its logits, by the chain rule."""
    found = []
    for x, y in zip(step.clean.x, step.y, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda z: model(z[None])[0], x).flatten(1)
        p = model(x[None])[0].softmax(0).detach()
        gradient = (p - F.one_hot(y, len(p))) @ jacobian
        found.append(gradient.square().sum() if norm == "l2" else gradient.abs().sum())
    return torch.stack(found)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("net", ["mlp", "cnn"])
def test_its_value_is_the_chain_rules(net: str, norm: Literal["l2", "l1"]) -> None:
    on = task() if net == "mlp" else task((1, 8, 8))
    model = doubled(mlp(on) if net == "mlp" else cnn(on))
    step = taken(model, on)
    loss = InputGradient(strength=0.7, norm=norm).data_loss(step)["gradient"]
    assert torch.allclose(loss.detach(), 0.7 * by_hand(model, step, norm), rtol=1e-10)


@pytest.mark.parametrize("norm", NORMS)
def test_its_gradient_is_that_of_finite_differences(norm: Literal["l2", "l1"]) -> None:
    on = task()
    model, method = doubled(mlp(on)), InputGradient(strength=0.7, norm=norm)
    weight = next(p for p in model.parameters() if p.dim() > 1)

    def value() -> Tensor:
        return method.data_loss(taken(model, on))["gradient"].sum()

    (slope,) = torch.autograd.grad(value(), weight)
    way = torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)).double()
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(sign * 1e-6 * way)
        ends.append(float(value().detach()))
        with torch.no_grad():
            weight.sub_(sign * 1e-6 * way)
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float((slope * way).sum()), rel=1e-6)


def test_two_classes_and_a_linear_network_have_a_closed_form() -> None:
    """‖∇ₓ CE‖₂ = (1 − p_y) ‖w_1 − w_0‖₂."""
    on = task(classes=2)
    model = doubled(mlp(on, hidden=()))
    step = taken(model, on)
    loss = InputGradient(strength=1).data_loss(step)["gradient"]
    (layer,) = (m for m in model.modules() if isinstance(m, nn.Linear))
    doubt = 1 - step.logits.softmax(1).gather(1, step.y[:, None])[:, 0]
    length = (layer.weight[1] - layer.weight[0]).norm() / 0.3
    assert torch.allclose(loss, (doubt * length) ** 2, rtol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_the_step_is_double_backpropagation(norm: str) -> None:
    run = started(CE, {"name": "input_gradient", "strength": 0.5, "norm": norm})

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        x = x.clone().requires_grad_()
        loss = F.cross_entropy(model(x), y)
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        each = len(x) * slope  # of the summed loss
        size = (each**2).sum() if norm == "l2" else each.abs().sum()
        (loss + 0.5 * size / len(x)).backward()

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_at_a_point_that_another_method_moved_it_is_the_same() -> None:
    """With inputs that cannot be differentiated by, it looks for itself, without a trace."""
    run = started(CE, {"name": "input_gradient", "strength": 0.5})
    x, y = batch(run)
    own, _, _ = run.look(x, y, ahead=True)
    method = InputGradient(strength=0.5)
    before = {name: buffer.clone() for name, buffer in run.model.named_buffers()}
    beside = Step(run.model, run.task, 0, 1, y, Point(x), Point(x), run.generator)
    mine = method.data_loss(beside)["gradient"]
    assert torch.allclose(mine, method.data_loss(own)["gradient"], rtol=1e-10)
    for name, buffer in run.model.named_buffers():
        assert torch.equal(buffer, before[name])


def test_l1_is_what_a_small_linf_budget_adds_to_the_loss() -> None:
    """max over the ball of a linear function is eps · ‖gradient‖₁."""
    on = task()
    model, eps = doubled(mlp(on)), 1e-6
    step = taken(model, on)
    penalty = InputGradient(strength=eps, norm="l1").data_loss(step)["gradient"].detach()
    x = step.clean.x.clone().requires_grad_()
    loss = F.cross_entropy(model(x), step.y, reduction="none")
    (slope,) = torch.autograd.grad(loss.sum(), x)
    worse = F.cross_entropy(model(x + eps * slope.sign()), step.y, reduction="none")
    assert torch.allclose((worse - loss).detach(), penalty, rtol=1e-3)
