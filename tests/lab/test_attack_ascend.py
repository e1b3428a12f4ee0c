from __future__ import annotations

import pytest
import torch
from torch import nn

from worker.lab.core.ascend import ascend, rise
from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.point import Point, look

X = torch.full((3, 5), 0.5)
W = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.25])


def linear(point: Point) -> torch.Tensor:
    return point.x @ W


@pytest.mark.parametrize(("norm", "way"), [("linf", W.sign()), ("l2", W / W.norm())])
def test_on_a_linear_objective_one_step_is_the_maximum(norm, way):
    found = ascend(linear, Point(X), inputs=Ball(norm, 0.1), steps=1, lr=1.0)
    torch.testing.assert_close(found.x, X + 0.1 * way)
    many = ascend(linear, Point(X), inputs=Ball(norm, 0.1), steps=20, lr=0.3)
    torch.testing.assert_close(many.x, found.x)


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_on_an_objective_linear_in_the_weights_the_step_is_the_maximum(norm, relative):
    g = torch.tensor([[3.0, -4.0], [0.0, 12.0]])
    w = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    ball = WeightBall(norm, 0.1, relative)
    found = ascend(
        lambda p: (p.w["w"] * g).sum()[None], Point(X, {"w": w}), weights=ball, steps=3, lr=1.0
    )
    scale = {"linf": 1.0, "l2": 2.0}[norm] if relative else 1.0
    way = g.sign() if norm == "linf" else g / 13
    torch.testing.assert_close(found.w["w"], w + 0.1 * scale * way)
    assert torch.equal(found.x, X)


def test_inputs_and_weights_move_together_on_a_real_module():
    net = nn.Linear(5, 2)
    at = Point(X, dict(net.named_parameters()))

    def objective(point: Point) -> torch.Tensor:
        return look(net, point)[:, 0]

    balls = {"inputs": Ball("linf", 0.1), "weights": WeightBall("l2", 0.1)}
    both = ascend(objective, at, **balls, steps=5, lr=0.5)
    alone = ascend(objective, at, inputs=balls["inputs"], steps=5, lr=0.5)
    assert float(objective(both).sum()) > float(objective(alone).sum())
    assert balls["weights"].contains(both.w, at.w)
    assert all(torch.equal(alone.w[name], at.w[name]) for name in at.w)


def test_the_model_gets_no_gradients_and_none_are_computed_for_it():
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    asked = []
    for parameter in net.parameters():
        parameter.register_hook(lambda g: asked.append(g))
    ascend(lambda p: look(net, p)[:, 0], Point(X), inputs=Ball("l2", 0.1), steps=3, lr=1.0)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert asked == []


def test_a_rise_tells_loss_and_gradient_of_where_it_began():
    risen = rise(linear, Point(X), Point(X), inputs=Ball("linf", 0.1), lr=1.0)
    torch.testing.assert_close(risen.loss, X @ W)
    torch.testing.assert_close(risen.gradient, W.expand(3, 5))
    assert not risen.point.x.requires_grad


def test_an_objective_that_ignores_the_input_moves_nothing():
    found = ascend(lambda p: torch.ones(3), Point(X), inputs=Ball("l2", 1.0), steps=2, lr=1.0)
    assert torch.equal(found.x, X)


def test_something_must_be_allowed_to_move():
    with pytest.raises(ValueError, match="nothing may move"):
        ascend(linear, Point(X), steps=1, lr=1.0)
