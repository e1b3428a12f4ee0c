"""Weight-adversarial training is its textbook step, and stays in its box."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.textbook import assert_same, at_worse, batch, plainly, started, trained

CE = {"name": "cross_entropy"}
EPS = 0.02


def against(model: nn.Module, relative: bool) -> None:
    for p in model.parameters():
        if p.dim() > 1 and p.grad is not None:
            p.add_(EPS * (p.abs().max() if relative else 1.0) * p.grad.sign())


@pytest.mark.parametrize("relative", [False, True])
def test_one_step_is_the_textbook_step(relative: bool) -> None:
    run = started(
        CE, {"name": "weight_adversarial", "eps": EPS, "relative": relative}, batch_norm=False
    )
    plain = plainly(run, lambda m, x, y: at_worse(m, x, y, lambda net: against(net, relative)))
    assert_same(trained(run), plain)


def test_several_steps_are_the_textbook_step() -> None:
    steps, eps = 4, 0.05
    run = started(CE, {"name": "weight_adversarial", "eps": eps, "steps": steps}, batch_norm=False)

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        clean = [parameter.detach().clone() for parameter in model.parameters()]
        for _ in range(steps):
            model.zero_grad()
            F.cross_entropy(model(x), y).backward()
            with torch.no_grad():
                for p, at in zip(model.parameters(), clean, strict=True):
                    if p.dim() > 1 and p.grad is not None:
                        p.add_(2.5 / steps * eps * p.grad.sign())
                        p.copy_(p.clamp(at - eps, at + eps))
        model.zero_grad()
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p, at in zip(model.parameters(), clean, strict=True):
                p.copy_(at)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_it_stays_in_its_box_and_climbs_higher_with_more_steps(steps: int) -> None:
    run = started(CE, {"name": "weight_adversarial", "eps": EPS, "steps": steps})
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    own = dict(run.model.named_parameters())
    for name, weight in step.point.w.items():
        assert own[name].dim() > 1
        assert float((weight - own[name]).detach().abs().max()) <= EPS * (1 + 1e-9)
    clean = F.cross_entropy(run.model(x), y).detach()
    assert float(F.cross_entropy(step.logits, y).detach()) > float(clean) + 0.05


def test_one_step_is_the_worst_of_a_linear_network_to_first_order() -> None:
    """max over the box of a linear function of the weights is eps · ‖gradient‖₁."""
    eps = 1e-6
    run = started(CE, {"name": "weight_adversarial", "eps": eps}, batch_norm=False)
    x, y = batch(run)
    run.model.zero_grad()
    clean = F.cross_entropy(run.model(x), y)
    clean.backward()
    slopes = [p.grad for p in run.model.parameters() if p.dim() > 1 and p.grad is not None]
    rise = eps * sum(float(slope.abs().sum()) for slope in slopes)
    step, _, _ = run.look(x, y, ahead=True)
    found = float((F.cross_entropy(step.logits, y) - clean).detach())
    assert found == pytest.approx(rise, rel=1e-3)
