"""Adversarial training is its textbook step, whatever the attack and the network's mode."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.textbook import (
    assert_same,
    at_worse,
    batch,
    cross_entropy,
    plainly,
    started,
    trained,
)
from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.balls import InputNorm as Norm
from worker.lab.core.errors import LabError
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.method import Method
from worker.lab.core.point import look
from worker.lab.core.registry import entries

CE = {"name": "cross_entropy"}
PGD = {"name": "pgd", "eps": 0.2, "steps": 4, "step_size": 0.5, "random_start": False}
PGD |= {"restarts": 1, "loss": "ce"}


def ascended(
    model: nn.Module, x: Tensor, y: Tensor, eps: float, steps: int, lr: float, train: bool = False
) -> Tensor:
    """Sign steps on the cross-entropy; the network's mode and statistics are put back."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.train(train)
    far = x.clone()
    for _ in range(steps):
        far.requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(far), y, reduction="sum"), far)
        far = (far.detach() + lr * slope.sign()).clamp(x - eps, x + eps).clamp(0, 1)
    model.train()
    for name, buffer in model.named_buffers():
        buffer.copy_(kept[name])
    return far


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_it_is_the_textbook_step(mode: str) -> None:
    run = started(CE, {"name": "adversarial", "attack": PGD, "network": mode})

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        far = ascended(model, x, y, eps=0.2, steps=4, lr=0.1, train=mode == "train")
        cross_entropy(model, far, y)

    plain = plainly(run, gradients)
    without = plainly(run, cross_entropy)
    mine = trained(run)
    assert_same(mine, plain)
    with pytest.raises(AssertionError):
        assert_same(mine, without, atol=1e-3)


def test_any_attack_may_be_inside() -> None:
    run = started(CE, {"name": "adversarial", "attack": {"name": "fgsm", "eps": 0.1}})

    def gradients(model: nn.Module, x: Tensor, y: Tensor) -> None:
        cross_entropy(model, ascended(model, x, y, eps=0.1, steps=1, lr=0.1), y)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_what_is_fooled_already_climbs_on() -> None:
    run = started(CE, {"name": "adversarial", "attack": PGD})
    x, y = batch(run)
    run.model.eval()
    wrong = run.model(x).argmax(1) != y
    assert bool(wrong.any())
    run.model.train()
    step, _, _ = run.look(x, y, ahead=True)
    moved = (step.point.x - x).flatten(1).abs().amax(1)
    assert bool((moved > 0.19).all())


def test_of_several_climbs_the_worse_end_counts_for_each_example() -> None:
    attack = {**PGD, "random_start": True, "restarts": 1}
    losses = {}
    for restarts in (1, 6):
        run = started(CE, {"name": "adversarial", "attack": {**attack, "restarts": restarts}})
        x, y = batch(run)
        step, _, _ = run.look(x, y, ahead=True)
        run.model.eval()
        losses[restarts] = F.cross_entropy(run.model(step.point.x), y, reduction="none").detach()
    assert bool((losses[6] >= losses[1] - 1e-6).all())
    assert float((losses[6] - losses[1]).max()) > 1e-3


def test_the_attack_leaves_mode_statistics_and_gradients_alone() -> None:
    run = started(CE, {"name": "adversarial", "attack": PGD, "network": "train"})
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.look(*batch(run), ahead=True)
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())
    assert all(module.training for module in run.model.modules())
    assert all(parameter.grad is None for parameter in run.model.parameters())


@pytest.mark.parametrize(
    "attack", [{"name": "nothing"}, {"name": "pgd", "steps": 0}, {"name": "pgd", "colour": 1}]
)
def test_an_attack_that_cannot_be_is_refused(attack: dict[str, object]) -> None:
    with pytest.raises(LabError, match=r"adversarial\.attack"):
        Method.of({"name": "adversarial", "attack": attack})


ATTACKS = [
    (name, norm)
    for name, entry in entries("attack").items()
    if issubclass(entry, LpAttack) and not entry.transfers
    for norm in get_args(entry.model_fields["norm"].annotation)
]


@pytest.mark.parametrize(("name", "norm"), ATTACKS)
def test_every_attack_on_inputs_raises_the_loss_within_its_budget(name: str, norm: Norm) -> None:
    eps = {"linf": 0.1, "l2": 0.5, "l1": 4.0}[norm]
    fields = entries("attack")[name].model_fields
    small = {"steps": 5, "restarts": 1, "queries": 60, "targets": 2}
    attack = {"name": name, "norm": norm, "eps": eps}
    attack |= {key: value for key, value in small.items() if key in fields}
    run = started(CE, {"name": "adversarial", "attack": attack})
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    assert bool(Ball(norm, eps).contains(step.point.x, x).all())
    run.model.eval()
    clean, far = (F.cross_entropy(run.model(at), y).detach() for at in (x, step.point.x))
    assert float(far) > float(clean) + 0.005


ONE_STEP = {"name": "weight_pgd", "eps": 0.02, "steps": 1, "step_size": 1, "restarts": 1}


def test_one_step_on_the_weights_is_weight_adversarial_training() -> None:
    attack = {**ONE_STEP, "loss": "ce"}
    methods = {"name": "adversarial", "attack": attack}, {"name": "weight_adversarial", "eps": 0.02}
    mine, other = (trained(started(CE, method, batch_norm=False)) for method in methods)
    assert_same(mine, other)
    with pytest.raises(AssertionError):
        assert_same(mine, trained(started(CE, batch_norm=False)), atol=1e-3)


def test_training_under_rounding_takes_the_gradient_at_the_rounded_weights() -> None:
    """Two bits, one scale a tensor: every weight becomes −s, 0 or s, s its largest."""
    run = started(CE, {"name": "adversarial", "attack": {"name": "quantize", "eps": 0.5}})

    def rounded(model: nn.Module) -> None:
        for parameter in model.parameters():
            if parameter.dim() > 1:
                scale = parameter.abs().max()
                parameter.copy_(scale * (parameter / scale).round())

    plain = plainly(run, lambda m, x, y: at_worse(m, x, y, rounded))
    assert_same(trained(run), plain)


def test_a_joint_attack_moves_inputs_and_weights_in_their_balls() -> None:
    attack = {"name": "joint", "eps": 0.1, "eps_w": 0.02, "steps": 5, "step_size": 0.5}
    losses = {}
    for off in ({}, {"eps": 0.0}, {"eps_w": 0.0}):
        run = started(CE, {"name": "adversarial", "attack": {**attack, **off}})
        x, y = batch(run)
        step, _, _ = run.look(x, y, ahead=True)
        own = {name: weight.detach() for name, weight in run.model.named_parameters()}
        moved = {name: weight.detach() for name, weight in step.point.w.items()}
        assert set(moved) == {name for name, weight in own.items() if weight.dim() > 1}
        ball = WeightBall("linf", off.get("eps_w", 0.02), relative=False)
        assert ball.contains(moved, {name: own[name] for name in moved})
        assert bool(Ball("linf", off.get("eps", 0.1)).contains(step.point.x, x).all())
        run.model.eval()
        losses[str(off)] = F.cross_entropy(look(run.model, step.point), y).item()
        clean = F.cross_entropy(run.model(x), y).item()
    both, weights, inputs = losses.values()
    assert both > max(weights, inputs) + 0.05
    assert min(weights, inputs) > clean + 0.05


def test_weights_are_not_sought_in_training_mode_nor_on_another_network() -> None:
    for bad in ({"attack": ONE_STEP, "network": "train"}, {"attack": {"name": "transfer"}}):
        with pytest.raises(LabError, match=r"moves weights|another network"):
            Method.of({"name": "adversarial", **bad})
