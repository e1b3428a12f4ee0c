"""AWP is its textbook step, on clean inputs, on adversarial ones and with TRADES."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.lab.test_adversarial import ascended
from tests.lab.textbook import assert_same, at_worse, batch, plainly, started, trained
from worker.lab.core.balls import WeightBall

CE = {"name": "cross_entropy"}
GAMMA = 0.2


def against(model: nn.Module, norm: str = "l2") -> None:
    for parameter in model.parameters():
        if parameter.dim() > 1 and parameter.grad is not None:
            if norm == "l2":
                way = parameter.grad / parameter.grad.norm()
                parameter.add_(GAMMA * parameter.norm() * way)
            else:
                parameter.add_(GAMMA * parameter.abs().max() * parameter.grad.sign())


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_on_clean_inputs_it_is_the_textbook_step(norm: str) -> None:
    run = started(CE, {"name": "awp", "gamma": GAMMA, "norm": norm}, batch_norm=norm == "l2")
    plain = plainly(run, lambda m, x, y: at_worse(m, x, y, lambda net: against(net, norm)))
    assert_same(trained(run), plain)


def test_after_an_attack_on_inputs_weights_move_against_the_adversarial_ones() -> None:
    attack = {"name": "pgd", "eps": 0.2, "steps": 3, "step_size": 0.5, "random_start": False}
    attack |= {"restarts": 1, "loss": "ce"}
    run = started(CE, {"name": "adversarial", "attack": attack}, {"name": "awp", "gamma": GAMMA})

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        far = ascended(model, x, y, eps=0.2, steps=3, lr=0.1)
        at_worse(model, far, y, against)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("steps", [1, 5])
def test_several_steps_stay_in_the_ball_and_climb_no_less(norm: str, steps: int) -> None:
    run = started(CE, {"name": "awp", "gamma": GAMMA, "norm": norm, "steps": steps})
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    own = dict(run.model.named_parameters())
    assert set(step.point.w) == {name for name, p in own.items() if p.dim() > 1}
    ball = WeightBall("l2" if norm == "l2" else "linf", GAMMA)
    assert ball.contains(step.point.w, {name: own[name] for name in step.point.w})
    clean = torch.nn.functional.cross_entropy(run.model(x), y)
    moved = torch.nn.functional.cross_entropy(step.logits, y)
    assert float(moved.detach()) > float(clean.detach()) + 0.1
