from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.lab.core.balls import Ball, WeightBall

NORMS = ("linf", "l2")
unhurried = settings(deadline=None)
seeds = st.integers(0, 2**31 - 1)
budgets = st.floats(0, 3)
sizes = st.integers(1, 40)


def draw(seed: int, size: int, spread: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres in the box, many of them on its walls as pixels are, and points anywhere."""
    generator = torch.Generator().manual_seed(seed)
    center = (torch.rand(7, size, generator=generator) * 1.6 - 0.3).clamp(0, 1)
    return center, center + spread * torch.randn(7, size, generator=generator)


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, size=sizes, eps=budgets, spread=st.floats(0, 100))
def test_a_projection_is_in_ball_and_box(norm, seed, size, eps, spread):
    center, x = draw(seed, size, spread)
    ball = Ball(norm, eps)
    found = ball.project(x, center)
    assert bool(ball.contains(found, center).all())
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, size=sizes, eps=st.floats(0.01, 3))
def test_no_other_point_of_ball_and_box_is_nearer(norm, seed, size, eps):
    # The variational inequality of a projection p of x on a convex set: (x − p)·(q − p) ≤ 0.
    center, x = draw(seed, size)
    ball = Ball(norm, eps)
    found = ball.project(x, center)
    for trial in range(5):
        other = ball.start(center, torch.Generator().manual_seed(trial))
        assert float(((x - found) * (other - found)).sum(1).max()) <= 1e-4 * (1 + eps) * size


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, size=sizes, eps=budgets)
def test_a_point_inside_stays_where_it_is(norm, seed, size, eps):
    center, x = draw(seed, size)
    ball = Ball(norm, eps)
    inside = ball.project(x, center)
    torch.testing.assert_close(ball.project(inside, center), inside, rtol=0, atol=1e-6)


def test_clipping_to_the_box_gives_the_l2_budget_to_other_coordinates():
    # Coordinate 0 meets the wall after 0.1; cutting after scaling would waste what is left.
    center = torch.tensor([[0.9, 0.5]])
    found = Ball("l2", 0.3).project(torch.tensor([[1.9, 1.5]]), center)
    expected = torch.tensor([[1.0, 0.5 + (0.3**2 - 0.1**2) ** 0.5]])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, size=sizes, eps=budgets)
def test_a_random_start_is_inside_and_repeatable(norm, seed, size, eps):
    center, _ = draw(seed, size)
    ball = Ball(norm, eps)
    first = ball.start(center, torch.Generator().manual_seed(seed))
    assert bool(ball.contains(first, center).all())
    assert torch.equal(first, ball.start(center, torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize(("norm", "share"), [("linf", 0.5), ("l2", 0.5**2)])
def test_random_starts_fill_the_ball_uniformly(norm, share):
    # In two dimensions half the radius holds a quarter of the volume; of one linf coordinate, half.
    center = torch.full((40_000, 2), 0.5)
    moved = Ball(norm, 0.4).start(center, torch.Generator().manual_seed(0)) - center
    length = moved[:, 0].abs() if norm == "linf" else moved.norm(dim=1)
    assert float((length < 0.2).float().mean()) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("norm", NORMS)
def test_membership_refuses_what_is_outside(norm):
    center = torch.full((4, 3), 0.5)
    x = center.clone()
    x[1, 0], x[2, 0], x[3, 0] = 0.5 + 0.11, torch.nan, 0.5 + 0.1
    assert Ball(norm, 0.1).contains(x, center).tolist() == [True, False, False, True]
    assert not bool(Ball(norm, 9.0).contains(center + 0.6, center).any())


def test_steps_are_as_long_as_asked_even_where_gradients_are_tiny():
    tiny = torch.full((2, 4), 1e-30)
    tiny[1] = 0
    x = torch.zeros(2, 4)
    assert Ball("linf", 1).step(x, tiny, 0.3).tolist() == [pytest.approx([0.3] * 4), [0.0] * 4]
    assert Ball("l2", 1).step(x, tiny, 0.3).norm(dim=1).tolist() == [pytest.approx(0.3), 0.0]


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, relative=st.booleans(), lr=st.floats(0.1, 10))
def test_weights_stay_in_their_ball(norm, seed, relative, lr):
    generator = torch.Generator().manual_seed(seed)
    center = {"a": torch.randn(3, 4, generator=generator), "b": torch.zeros(2)}
    gradient = {k: torch.randn(v.shape, generator=generator) for k, v in center.items()}
    ball = WeightBall(norm, 0.2, relative)
    moved = {k: ball.move(center[k], gradient[k], center[k], lr) for k in center}
    assert ball.contains(moved, center)
    assert torch.equal(moved["b"], center["b"]) == relative
    assert not ball.contains({k: v + 1 for k, v in center.items()}, center)
