"""TRADES is its textbook step, alone and with AWP."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.textbook import assert_same, batch, plainly, started, trained
from worker.lab.core.run import Run

BETA, EPS, STEPS = 3.0, 0.15, 4
TRADES = {"name": "trades", "beta": BETA, "eps": EPS, "steps": STEPS, "step_size": 0.5}


def divergence(near: Tensor, far: Tensor) -> Tensor:
    """KL(softmax(near) ‖ softmax(far)), by torch."""
    far, near = far.log_softmax(1), near.log_softmax(1)
    return F.kl_div(far, near, reduction="none", log_target=True).sum(1)


def sought(model: nn.Module, x: Tensor, jitter: Tensor) -> Tensor:
    model.eval()
    near = model(x).detach()
    far = x + 0.001 * jitter
    for _ in range(STEPS):
        far.requires_grad_()
        (slope,) = torch.autograd.grad(divergence(near, model(far)).sum(), far)
        far = (far.detach() + 0.5 * EPS * slope.sign()).clamp(x - EPS, x + EPS).clamp(0, 1)
    model.train()
    return far


def loss(model: nn.Module, x: Tensor, y: Tensor, far: Tensor) -> Tensor:
    near = model(x)
    return F.cross_entropy(near, y) + BETA * divergence(near, model(far)).mean()


def dice(run: Run) -> torch.Generator:
    generator = torch.Generator()
    generator.set_state(run.generator.get_state())
    return generator


def test_it_is_the_textbook_step() -> None:
    run = started(TRADES)
    same = dice(run)

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        far = sought(model, x, torch.randn(x.shape, generator=same))
        loss(model, x, y, far).backward()

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


@pytest.mark.parametrize("first", ["trades", "awp"])
def test_with_awp_the_adversarial_inputs_are_found_once_at_the_weights_themselves(
    first: str,
) -> None:
    methods = [TRADES, {"name": "awp", "gamma": 0.1}]
    run = started(*(methods if first == "trades" else methods[::-1]))
    same = dice(run)

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        far = sought(model, x, torch.randn(x.shape, generator=same))
        kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
        loss(model, x, y, far).backward()
        for name, buffer in model.named_buffers():
            buffer.copy_(kept[name])
        weights = [parameter.detach().clone() for parameter in model.parameters()]
        with torch.no_grad():
            for p in model.parameters():
                if p.dim() > 1 and p.grad is not None:
                    p.add_(0.1 * p.norm() * p.grad / p.grad.norm())
        model.zero_grad()
        loss(model, x, y, far).backward()
        with torch.no_grad():
            for p, weight in zip(model.parameters(), weights, strict=True):
                p.copy_(weight)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_its_climb_stays_in_the_ball_and_raises_the_divergence() -> None:
    run = started({**TRADES, "norm": "l2", "eps": 0.5})
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    far = step.memo["trades"]
    assert float((far - x).flatten(1).norm(dim=1).max()) <= 0.5 * (1 + 1e-5)
    assert float(far.min()) >= 0
    assert float(far.max()) <= 1
    run.model.eval()
    with torch.no_grad():
        near = run.model(x)
        noise = 0.5 * F.normalize(torch.randn(x.flatten(1).shape), dim=1).view_as(x)
        assert float(divergence(near, run.model(far)).mean()) > 5 * float(
            divergence(near, run.model((x + noise).clamp(0, 1))).mean()
        )
