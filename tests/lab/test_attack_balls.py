from __future__ import annotations

import numpy
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from worker.lab.core.balls import Ball, WeightBall
from worker.lab.core.hyperplane import reach

NORMS = ("linf", "l2", "l1")
WEIGHT_NORMS = ("linf", "l2")
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


@pytest.mark.parametrize(("norm", "share"), [("linf", 0.5), ("l2", 0.5**2), ("l1", 0.5**2)])
def test_random_starts_fill_the_ball_uniformly(norm, share):
    # In two dimensions half the radius holds a quarter of the volume; of one linf coordinate, half.
    center = torch.full((40_000, 2), 0.5)
    moved = Ball(norm, 0.4).start(center, torch.Generator().manual_seed(0)) - center
    length = moved[:, 0].abs() if norm == "linf" else moved.norm(int(norm[1]), dim=1)
    assert float(moved.mean()) == pytest.approx(0, abs=0.005)
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


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
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


@pytest.mark.parametrize("norm", WEIGHT_NORMS)
@unhurried
@given(seed=seeds, relative=st.booleans(), eps=st.floats(0, 2))
def test_random_weights_are_inside_and_have_their_size(norm, seed, relative, eps):
    generator = torch.Generator().manual_seed(seed)
    center = {"a": torch.randn(3, 4, generator=generator), "b": torch.randn(5, generator=generator)}
    ball = WeightBall(norm, eps, relative)
    drawn = {name: ball.start(at, generator) for name, at in center.items()}
    assert ball.contains(drawn, center)
    assert 0 <= ball.size(drawn, center) <= eps * (1 + 1e-5) + 1e-6
    out = {name: at * 3 + 1 for name, at in center.items()}
    cut = {name: ball.project(out[name], at) for name, at in center.items()}
    assert ball.contains(cut, center)
    assert ball.size(cut, center) == pytest.approx(
        min(eps, ball.size(out, center)), rel=1e-4, abs=1e-5
    )


@unhurried
@given(seed=seeds, size=st.integers(1, 12), eps=st.floats(0.05, 3))
def test_an_l1_projection_is_the_convex_programs(seed, size, eps):
    # Oracle: min ½‖d − u‖² with d = p − m, p, m ≥ 0, Σ p + m ≤ eps, inside the box (SLSQP).
    center, x = draw(seed, size)
    found = Ball("l1", eps).project(x[:1], center[:1])[0].double().numpy()
    c, u = center[0].double().numpy(), x[0].double().numpy()
    bounds = [*((0, 1 - v) for v in c), *((0, v) for v in c)]

    def distance(parts):
        return 0.5 * float(((c + parts[:size] - parts[size:] - u) ** 2).sum())

    def slope(parts):
        off = c + parts[:size] - parts[size:] - u
        return numpy.concatenate([off, -off])

    peer = minimize(
        distance, numpy.zeros(2 * size), jac=slope, bounds=bounds, method="SLSQP",
        constraints={"type": "ineq", "fun": lambda parts: eps - parts.sum()},
        options={"maxiter": 500, "ftol": 1e-14},
    )  # fmt: skip
    best = c + peer.x[:size] - peer.x[size:]
    assert found == pytest.approx(best, abs=2e-4)


@unhurried
@given(seed=seeds, size=st.integers(1, 30), length=st.floats(0.01, 5))
def test_the_l1_step_is_the_linear_programs(seed, size, length):
    # Oracle: max g·(p − m), Σ p + m ≤ length, x + p − m in the box.
    x, _ = draw(seed, size)
    g = torch.randn(7, size, generator=torch.Generator().manual_seed(seed + 1))
    moved = Ball("l1", 1).step(x, g, length)
    assert float((moved - x).abs().sum(1).max()) <= length * (1 + 1e-5)
    assert float(moved.min()) >= -1e-6
    assert float(moved.max()) <= 1 + 1e-6
    cost = -torch.cat([g[0], -g[0]]).double().numpy()
    bounds = [*((0, 1 - float(v)) for v in x[0]), *((0, float(v)) for v in x[0])]
    peer = linprog(cost, numpy.ones((1, 2 * size)), [length], bounds=bounds)
    assert float((g[0] * (moved - x)[0]).sum()) == pytest.approx(-peer.fun, abs=1e-4)


@pytest.mark.parametrize("norm", NORMS)
@unhurried
@given(seed=seeds, size=st.integers(1, 20), share=st.floats(0.05, 1.5))
def test_the_way_to_a_hyperplane_is_the_shortest(norm, seed, size, share):
    # Oracle: w·δ cannot reach the gap with any smaller budget in ball and box: by the linear
    # program in linf and l1, by bisection over clip(t w) in l2.
    x, _ = draw(seed, size)
    w = torch.randn(7, size, generator=torch.Generator().manual_seed(seed + 1))
    most = torch.where(w > 0, w * (1 - x), -w * x).sum(1)
    gap = share * most
    change = reach(x, w, gap, norm)
    assert bool(Ball("linf", 1.0).contains(x + change, x).all())
    gained = (w * change).sum(1)
    torch.testing.assert_close(gained, torch.minimum(gap, most), rtol=1e-3, atol=1e-4)
    if share < 0.99:
        size_found = Ball(norm, 1.0).size(x + change, x)
        for row in range(3):
            budget = 0.98 * float(size_found[row])
            less = best_gain(x[row], w[row], budget, norm)
            assert less <= float(gained[row]) + 1e-4
            assert less < float(gained[row]) or budget < 1e-4


def best_gain(x: torch.Tensor, w: torch.Tensor, eps: float, norm: str) -> float:
    """max w·δ in ball and box."""
    room = torch.where(w > 0, 1 - x, x)
    if norm == "linf":
        return float((w.abs() * room.clamp_max(eps)).sum())
    if norm == "l1":
        bounds = [(0, float(r)) for r in room]
        return -float(
            linprog(-w.abs().double().numpy(), [[1.0] * len(w)], [eps], bounds=bounds).fun
        )
    low, high = 0.0, 1e7
    for _ in range(100):
        middle = (low + high) / 2
        inside = float(torch.minimum(room, middle * w.abs()).norm()) < eps
        low, high = (middle, high) if inside else (low, middle)
    return float((w.abs() * torch.minimum(room, low * w.abs())).sum())


def test_the_way_down_goes_down():
    x, w = torch.full((1, 3), 0.5), torch.tensor([[1.0, -2.0, 0.5]])
    for norm in NORMS:
        assert float((w * reach(x, w, torch.tensor([-0.4]), norm)).sum()) == pytest.approx(-0.4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_projected_stays_when_it_is_projected_again(norm, dtype):
    dice = torch.Generator().manual_seed(0)
    center = torch.rand(500, 64, generator=dice).to(dtype) * (
        torch.rand(500, 64, generator=dice) > 0.5
    )
    ball = Ball(norm, {"linf": 0.1, "l2": 1.0, "l1": 4.0}[norm])
    for size in (0.3, 1.0, 5.0):
        once = ball.project(center + size * torch.randn(500, 64, generator=dice), center)
        again = ball.project(once, center)
        assert bool(ball.contains(again, center).all())
        assert torch.allclose(again, once, rtol=0, atol=2e-6)


def test_the_length_of_many_equal_changes_is_not_lost_in_rounding():
    center = {"w": torch.full((1500, 1573), 0.04)}
    ball = WeightBall("l2", 0.3, relative=False)
    moved = {"w": ball.project(center["w"] + 1.0, center["w"])}
    exact = float((moved["w"].double() - center["w"].double()).norm())
    assert exact == pytest.approx(0.3, rel=1e-5)
    assert ball.size(moved, center) == pytest.approx(exact, rel=1e-5)
    assert ball.contains(moved, center)
