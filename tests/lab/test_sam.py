"""SAM is its textbook step, and its maximum is of the data losses alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.lab.textbook import (
    assert_same,
    at_worse,
    batch,
    cross_entropy,
    plainly,
    started,
    trained,
)

CE = {"name": "cross_entropy"}


def uphill(model: nn.Module, rho: float, least: int = 1) -> None:
    moved = [p for p in model.parameters() if p.dim() >= least]
    length = torch.sqrt(sum((p.grad**2).sum() for p in moved))
    for parameter in moved:
        parameter.add_(rho * parameter.grad / length)


@pytest.mark.parametrize(("moves", "least"), [("all", 1), ("weights", 2)])
def test_it_is_the_textbook_step(moves: str, least: int) -> None:
    run = started(CE, {"name": "sam", "rho": 0.3, "moves": moves})
    plain = plainly(run, lambda m, x, y: at_worse(m, x, y, lambda net: uphill(net, 0.3, least)))
    without = plainly(run, cross_entropy)
    mine = trained(run)
    assert_same(mine, plain)
    with pytest.raises(AssertionError):
        assert_same(mine, without, atol=1e-3)


def test_a_penalty_on_weights_acts_at_the_weights_and_does_not_steer_the_climb() -> None:
    decay = 0.5

    def gradients(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
        at_worse(model, x, y, lambda net: uphill(net, 0.3))
        for parameter in model.parameters():
            if parameter.dim() > 1 and parameter.grad is not None:
                parameter.grad += decay * parameter.detach()

    run = started(CE, {"name": "lp", "strength": decay}, {"name": "sam", "rho": 0.3})
    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_at_a_point_without_slope_nothing_moves() -> None:
    run = started(CE, {"name": "sam", "rho": 0.3})
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.zero_()
    x, y = batch(run)
    step, _, _ = run.look(x, y, ahead=True)
    last = [name for name, p in run.model.named_parameters()][-1]
    for name, weight in step.point.w.items():
        assert bool(weight.isfinite().all())
        if name != last:
            assert float(weight.detach().abs().max()) == 0
