"""ASAM is its textbook step, and blind to shifts where its card says so."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.lab.textbook import assert_same, at_worse, plainly, started, trained
from tests.lab.theory import doubled, mlp, shift, task
from worker.lab.core.losses import Losses
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.methods.asam import Asam
from worker.lab.methods.cross_entropy import CrossEntropy

RHO, ETA = 0.7, 0.02


def uphill(model: nn.Module) -> None:
    scales = [
        1.0 if name.endswith("bias") else p.abs() + ETA for name, p in model.named_parameters()
    ]
    pairs = list(zip(model.parameters(), scales, strict=True))
    length = torch.sqrt(sum(((t * p.grad) ** 2).sum() for p, t in pairs))
    for parameter, scale in pairs:
        parameter.add_(RHO * scale**2 * parameter.grad / length)


def test_it_is_the_textbook_step() -> None:
    run = started({"name": "cross_entropy"}, {"name": "asam", "rho": RHO, "eta": ETA})
    plain = plainly(run, lambda m, x, y: at_worse(m, x, y, uphill))
    assert_same(trained(run), plain)


@pytest.mark.parametrize(("eta", "same"), [(0.0, True), (0.1, False)])
def test_without_biases_and_eta_a_shift_leaves_the_perturbed_loss_alone(
    eta: float, same: bool
) -> None:
    on = task()
    model = doubled(mlp(on, bias=False))
    before = perturbed(model, eta)
    shift(model, 0, 6.0)
    after = perturbed(model, eta)
    assert torch.allclose(after, before, rtol=1e-10) == same


def perturbed(model: nn.Module, eta: float) -> torch.Tensor:
    on = task()
    at = Point(on.train.x.double())
    step = Step(model, on, 0, 1, on.train.y, at, at, torch.Generator(), ahead=True)
    roots, _ = Losses([CrossEntropy(), Asam(rho=0.5, eta=eta)]).terms(step)
    return torch.stack([loss for loss, _ in roots]).detach()
