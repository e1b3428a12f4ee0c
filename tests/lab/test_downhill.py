"""Ordered gates: their density, their draws, and the divergence of their chain."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from worker.lab.core.downhill import divergence, log_density, log_open, log_tail, sample


def beta(b: Tensor) -> Tensor:
    return b.double().clamp(-5, 5).sigmoid()


def tail(b: Tensor) -> Tensor:
    """q by its definition, one product at a time."""
    chances = [float(chance) for chance in beta(b)]
    found = [math.prod(chances[:i]) * (1 - chances[i]) for i in range(len(chances))]
    return torch.tensor([*found, math.prod(chances)], dtype=torch.float64)


B = torch.tensor([1.5, -0.3, 7.0, 0.4])


def test_the_tail_is_the_chains() -> None:
    found = log_tail(B.double()).exp()
    assert torch.allclose(found, tail(B))
    assert float(found.sum()) == pytest.approx(1)
    open_ = log_open(B.double()).exp()
    assert torch.allclose(open_, beta(B).cumprod(0))
    assert torch.allclose(open_, 1 - tail(B)[:-1].cumsum(0)), "the weight of the authors' code"


@pytest.mark.parametrize("tau", [0.7, 1.0, 2.0])
def test_the_density_of_one_gate_integrates_to_one(tau: float) -> None:
    log_q = torch.tensor([0.3, 0.7], dtype=torch.float64).log()
    z = ends(20_001)
    p = log_density(z[:, None], log_q, tau).exp()
    assert float(torch.trapezoid(p, z)) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tau", [1.0, 2.0])
def test_the_density_of_two_gates_integrates_to_one(tau: float) -> None:
    log_q = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    z1, share = torch.meshgrid(ends(1201), ends(1201), indexing="ij")
    z = torch.stack([z1, z1 * share], -1)  # z2 = share · z1 is below z1; its volume is z1
    p = log_density(z, log_q, tau).exp() * z1
    inner = torch.trapezoid(p, share, dim=1)
    assert float(torch.trapezoid(inner, z1[:, 0])) == pytest.approx(1, abs=2e-3)


def ends(count: int) -> Tensor:
    """Points of (0, 1), dense near both ends, where the density of a small tau piles up."""
    angle = torch.linspace(0, math.pi, count + 2, dtype=torch.float64)[1:-1]
    return 0.5 - 0.5 * angle.cos()


def test_soft_draws_have_this_density() -> None:
    """By the distribution function of one gate, from 40,000 draws: a Kolmogorov–Smirnov test."""
    torch.manual_seed(0)
    log_q, tau, count = torch.tensor([0.3, 0.7]).log(), 1.5, 40_000
    draws = soft_draws(log_q, tau, count)[:, 0]
    z = ends(20_001)
    p = log_density(z[:, None], log_q.double(), tau).exp()
    below = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(p, z)])
    seen = torch.searchsorted(draws.double().sort().values, z) / count
    assert float((seen - below).abs().max()) < 1.63 / math.sqrt(count), "1 % level"


def soft_draws(log_q: Tensor, tau: float, count: int) -> Tensor:
    """Many at once: a draw of each column."""
    columns = log_q[:, None].expand(-1, count)
    return sample(columns, tau, hard=False).T


def test_two_soft_gates_fall_where_the_density_says() -> None:
    """P(z1 < 0.6), from the density by quadrature and from draws."""
    torch.manual_seed(0)
    log_q, tau, count = torch.tensor([0.2, 0.5, 0.3]).log(), 2.0, 20_000
    draws = soft_draws(log_q, tau, count)
    z1, share = torch.meshgrid(0.6 * ends(801), ends(801), indexing="ij")
    p = log_density(torch.stack([z1, z1 * share], -1), log_q.double(), tau).exp() * z1
    expected = float(torch.trapezoid(torch.trapezoid(p, share, dim=1), z1[:, 0]))
    seen = float((draws[:, 0] < 0.6).double().mean())
    assert seen == pytest.approx(expected, abs=4 * math.sqrt(0.25 / count))


@pytest.mark.parametrize("hard", [True, False])
def test_masks_are_ordered(hard: bool) -> None:
    torch.manual_seed(0)
    for _ in range(200):
        z = sample(log_tail(B), 2.0, hard)
        assert bool((z.diff() <= 1e-6).all())
        assert bool(((z >= -1e-6) & (z <= 1)).all())
        assert not hard or set(z.round(decimals=5).abs().tolist()) <= {0.0, 1.0}


def test_hard_draws_have_the_tail_q_and_the_released_ones_the_softmax_of_q() -> None:
    torch.manual_seed(0)
    count, b = 20_000, torch.full((30,), 3.0)
    q = log_tail(b).exp()
    for logits, expected in ((log_tail(b), q), (q, q.softmax(0))):
        columns = logits[:, None].expand(-1, count)
        full = float(sample(columns, 2.0, hard=True)[-1].mean())
        chance = float(expected[-1])
        assert full == pytest.approx(chance, abs=4 * math.sqrt(chance * (1 - chance) / count))
    assert float(q[-1]) == pytest.approx(0.233, abs=5e-4)
    assert float(q.softmax(0)[-1]) == pytest.approx(0.039, abs=5e-4)


def test_a_hard_draw_has_a_gradient_towards_its_chances() -> None:
    torch.manual_seed(0)
    b = B.clone().requires_grad_()
    sample(log_tail(b), 2.0, hard=True).sum().backward()
    assert b.grad is not None
    assert int((b.grad != 0).sum()) == 3, "the third is beyond the clamp"


def test_the_divergence_is_the_telescoped_sum() -> None:
    b, prior = torch.tensor([1.5, -0.3, 2.0, 0.4], dtype=torch.float64), 0.8
    chances, expected, reached = beta(b).tolist(), 0.0, 1.0
    for chance in chances:
        expected += reached * (
            chance * math.log(chance / prior) + (1 - chance) * math.log((1 - chance) / (1 - prior))
        )
        reached *= chance
    assert float(divergence(b, prior)) == pytest.approx(expected)
    same = torch.full((5,), math.log(0.8 / 0.2), dtype=torch.float64)
    assert float(divergence(same, 0.8)) == pytest.approx(0, abs=1e-12)
