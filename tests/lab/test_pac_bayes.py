"""The noise that weights bear, where it is known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import pytest
import torch

from tests.lab.nets import Linear2
from tests.lab.theory import doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.task import Split
from worker.lab.diagnostics.pac_bayes import aware, isotropic

W, X = torch.tensor([0.5, -0.25, 0.1]), torch.tensor([[1.0, 2.0, -3.0]])
"""w·x = −0.3: right with label 0; b of Linear2 is no parameter."""


def found(**params: float) -> dict[str, float]:
    on = task(classes=2)
    on = replace(on, train=Split(X, torch.tensor([0])))
    start = {"w": torch.tensor([0.4, -0.2, 0.0])}
    at = view(Linear2(W, 0.0), on, initial=start)
    return readings("pac_bayes", at, samples=500, bisections=14, **params)


def test_isotropic_sigma_of_one_example() -> None:
    """u·x ~ N(0, σ²‖x‖²) flips the answer with chance Φ(−|w·x| / σ‖x‖) = drop.

    Were the variance taken for the standard deviation, as in a widely used code, σ would come out
    as its square root, 0.29 for 0.084 here.
    """
    drop = 0.17
    expected = 0.3 / (math.sqrt(14) * NormalDist().inv_cdf(1 - drop))
    read = found(drop=drop)
    assert read["isotropic/sigma"] == pytest.approx(expected, rel=0.1)
    assert read["isotropic/inverse_variance"] == pytest.approx(expected**-2, rel=0.2)


def test_magnitude_aware_sigma_of_one_example() -> None:
    """u·x ~ N(0, Σ (σ²w_i² + ε²) x_i²)."""
    eps = 0.02
    quantile = NormalDist().inv_cdf(0.8)
    spread = (0.3 / quantile) ** 2 - eps**2 * 14
    scale = float((W * X[0]).square().sum())
    expected = math.sqrt(spread / scale)
    assert found(drop=0.2, eps=eps)["magnitude_aware/sigma"] == pytest.approx(expected, rel=0.1)


def test_complexities_by_hand() -> None:
    read = found()
    d = 0.1**2 + 0.05**2 + 0.1**2
    sigma = read["isotropic/sigma"]
    by_hand = d / (4 * sigma**2) + math.log(1 / sigma) + 10
    assert read["isotropic/complexity"] == pytest.approx(by_hand, rel=1e-5)
    sigma, eps = read["magnitude_aware/sigma"], 1e-3
    logs = [
        math.log((eps**2 + (sigma**2 + 1) * d / 3) / (eps**2 + sigma**2 * m**2))
        for m in (0.1, 0.05, 0.1)
    ]
    by_hand = sum(logs) / 4 + math.log(1 / sigma) + 10
    assert read["magnitude_aware/complexity"] == pytest.approx(by_hand, rel=1e-5)


def test_both_costs_are_the_kl_of_their_gaussians() -> None:
    """With the prior's variance at its best: ¼ Σ log is half of what KL(N(w, s_i²) ‖ N(w₀, t²))
    sums to once t² = (Σ s_i² + ‖w − w₀‖²)/ω, in the case s_i² = ε² + σ²(w_i − w₀_i)²."""
    moved = torch.randn(20, generator=torch.Generator().manual_seed(0)).double()
    sigma, eps = 0.7, 0.1
    s2 = eps**2 + sigma**2 * moved.square()
    t2 = float((s2.sum() + moved.square().sum()) / 20)
    posterior = torch.distributions.Normal(moved, s2.sqrt())
    prior = torch.distributions.Normal(torch.zeros(20).double(), math.sqrt(t2))
    kl = float(torch.distributions.kl_divergence(posterior, prior).sum())
    assert aware(moved, sigma, eps) == pytest.approx(kl / 2)
    posterior = torch.distributions.Normal(moved, sigma)
    prior = torch.distributions.Normal(torch.zeros(20).double(), sigma)
    kl = float(torch.distributions.kl_divergence(posterior, prior).sum())
    assert isotropic(moved, sigma) == pytest.approx(kl / 2)


def test_without_the_beginning_there_is_no_complexity() -> None:
    on = task()
    read = readings("pac_bayes", view(doubled(mlp(on)), on), samples=2, bisections=3)
    kinds, names = ("isotropic", "magnitude_aware"), ("sigma", "inverse_variance")
    assert set(read) == {f"{kind}/{name}" for kind in kinds for name in names}
