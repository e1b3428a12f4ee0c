"""Curvature and sharpness against a dense Hessian, closed forms and brute force."""

from __future__ import annotations

import math
from functools import cache, partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd.functional import hessian
from torch.nn import functional as F

from tests.lab.nets import Linear2
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.lanczos import lanczos
from worker.lab.core.loss_surface import LossSurface
from worker.lab.core.task import Split
from worker.lab.diagnostics.hessian import density

ON = task(count=60)


@cache
def surface() -> LossSurface:
    return LossSurface(doubled(mlp(ON, hidden=(5,))).eval(), ON.train)


@cache
def dense() -> Tensor:
    """∇²L by autograd's own functional, all at once."""
    found = surface()

    def loss(w: Tensor) -> Tensor:
        logits = torch.func.functional_call(found.model, found.named(w), (ON.train.x,))
        return F.cross_entropy(logits, ON.train.y)

    matrix: Tensor = hessian(loss, found.here)
    return matrix


def test_loss_gradient_and_curvature_are_autograds_over_several_batches() -> None:
    on = task((2, 8, 8), count=300)
    net = doubled(cnn(on)).eval()
    found = LossSurface(net, on.train)
    loss = F.cross_entropy(net(on.train.x), on.train.y)
    slopes = torch.autograd.grad(loss, list(net.parameters()))
    value, gradient = found.gradient(found.here)
    assert float(value) == pytest.approx(float(loss.detach()), rel=1e-12)
    assert float(found.loss(found.here)) == pytest.approx(float(loss.detach()), rel=1e-12)
    flat = torch.cat([slope.flatten() for slope in slopes])
    assert torch.allclose(gradient, flat, rtol=1e-9, atol=1e-12)
    v = torch.randn(len(flat), generator=torch.Generator().manual_seed(0)).double()
    ahead, behind = (found.gradient(found.here + s * 1e-6 * v)[1] for s in (1, -1))
    slope = (ahead - behind) / 2e-6
    assert torch.allclose(found.curvature(found.here, v), slope, rtol=1e-4, atol=1e-7)


def test_curvature_is_the_dense_hessians() -> None:
    v = torch.randn(len(dense()), generator=torch.Generator().manual_seed(1)).double()
    found = surface().curvature(surface().here, v)
    assert torch.allclose(found, dense() @ v, rtol=1e-9, atol=1e-12)


def test_lanczos_to_the_end_finds_the_whole_spectrum() -> None:
    dice = torch.Generator().manual_seed(0)
    q = torch.linalg.qr(torch.randn(30, 30, generator=dice).double()).Q
    spectrum = torch.linspace(-2, 5, 30).double()
    matrix = q @ torch.diag(spectrum) @ q.T
    start = torch.randn(30, generator=dice).double()
    values, weights = lanczos(lambda v: matrix @ v, start, 100)
    assert torch.allclose(values, spectrum, atol=1e-9)
    assert torch.allclose(weights, (q.T @ start / start.norm()).square(), atol=1e-9)


def test_a_few_steps_integrate_polynomials_exactly() -> None:
    """vᵀ A^j v for j up to 2k − 1."""
    values, weights = lanczos(lambda v: dense() @ v, torch.ones(len(dense())).double(), 5)
    v = torch.ones(len(dense())).double() / math.sqrt(len(dense()))
    power = v
    for degree in range(10):
        moment = float((weights * values**degree).sum())
        assert moment == pytest.approx(float(v @ power), rel=1e-8), degree
        power = dense() @ power


def test_lanczos_stops_where_nothing_new_is_reached() -> None:
    matrix = torch.diag(torch.tensor([3.0, 3.0, 1.0, 0.0]))
    values, weights = lanczos(lambda v: matrix @ v, torch.tensor([1.0, 1.0, 0.0, 0.0]), 4)
    assert values.tolist() == pytest.approx([3.0])
    assert weights.tolist() == pytest.approx([1.0])
    values, _ = lanczos(torch.zeros_like, torch.ones(4), 4)
    assert values.tolist() == [0.0]


def test_hessian_readings_against_the_dense_hessian() -> None:
    on = view(surface().model, ON)
    found = readings("hessian", on, examples=60, iterations=200, probes=20)
    eigenvalues = torch.linalg.eigvalsh(dense())
    assert found["top_eigenvalue"] == pytest.approx(float(eigenvalues[-1]), rel=1e-9)
    assert found["lowest_eigenvalue"] == pytest.approx(float(eigenvalues[0]), rel=1e-6)
    trace = float(dense().trace())
    assert abs(found["trace"] - trace) < 3 * found["trace_error"]


def test_the_error_of_the_trace_is_that_of_random_signs() -> None:
    """Var vᵀHv = 2 Σ_{i≠j} H_ij² for random signs (Hutchinson)."""
    off = dense() - torch.diag(dense().diagonal())
    expected = math.sqrt(2 * float(off.square().sum()) / 400)
    on = view(surface().model, ON)
    found = readings("hessian", on, examples=60, iterations=2, probes=400)
    assert found["trace_error"] == pytest.approx(expected, rel=0.15)


def test_the_top_eigenvalue_is_reached_from_below_in_few_steps() -> None:
    on, top = view(surface().model, ON), float(torch.linalg.eigvalsh(dense())[-1])
    few = [
        readings("hessian", on, examples=60, iterations=steps, probes=1)["top_eigenvalue"]
        for steps in (2, 4, 8, 16)
    ]
    assert few == sorted(few)
    assert all(value <= top * (1 + 1e-9) for value in few)
    assert few[-1] == pytest.approx(top, rel=1e-3)


def test_the_density_is_a_sum_of_gaussians_and_holds_everything() -> None:
    values, weights = torch.tensor([0.0, 1.0]).double(), torch.tensor([0.9, 0.1]).double()
    curve = density(values, weights)
    x, y = np.array(curve.x), 10 ** np.array(curve.y)
    assert np.trapezoid(y, x) == pytest.approx(1, abs=1e-3)
    assert np.trapezoid(y[x > 0.5], x[x > 0.5]) == pytest.approx(0.1, abs=1e-3)
    assert y[np.argmin(np.abs(x))] == pytest.approx(0.9 / (0.01 * math.sqrt(2 * math.pi)), rel=0.1)


def test_the_spectrum_of_a_net_follows_the_dense_one() -> None:
    """Shares of eigenvalues to both sides of a threshold, from few Lanczos steps."""
    product = partial(surface().curvature, surface().here)
    dice = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (40, len(dense())), generator=dice).double() * 2 - 1
    found = [lanczos(product, sign, 30) for sign in signs]
    eigenvalues = torch.linalg.eigvalsh(dense())
    for edge in (0.001, 0.02, 0.1):
        share = sum(float(w[v > edge].sum()) for v, w in found) / len(found)
        assert share == pytest.approx(float((eigenvalues > edge).double().mean()), abs=0.05)


def one(x: list[float], y: int = 0) -> Split:
    return Split(torch.tensor([x]), torch.tensor([y]))


def test_sharpness_of_one_logit_in_closed_form() -> None:
    """L = log(1 + e^{w·x}) with label 0 rises most along x: L(w·x + ρ‖x‖) in each ball."""
    w, x, rho = torch.tensor([0.3, -0.8]), [2.0, 1.0], 0.4
    on = task(classes=2)
    object.__setattr__(on, "train", one(x))
    found = readings("sharpness", view(Linear2(w, 0.0), on), rho=rho, rho_adaptive=rho, steps=5)
    score = float(w @ torch.tensor(x))

    def loss(s: float) -> float:
        return math.log1p(math.exp(s))

    plain = loss(score + rho * math.sqrt(5)) - loss(score)
    adaptive = loss(score + rho * math.hypot(0.3 * 2, 0.8 * 1)) - loss(score)
    assert found["sam"] == pytest.approx(plain, rel=1e-5) == found["worst"]
    assert found["asam"] == pytest.approx(adaptive, rel=1e-5) == found["worst_adaptive"]


def test_worst_is_no_less_than_sam_and_than_anything_random() -> None:
    on = view(surface().model, ON)
    found = readings("sharpness", on, rho=1.0, rho_adaptive=1.0, examples=60, steps=40)
    base = surface().loss(surface().here)
    dice = torch.Generator().manual_seed(5)
    for kind, scale in (("", torch.ones(len(dense()))), ("_adaptive", surface().here.abs())):
        assert found[f"worst{kind}"] >= found["sam" if not kind else "asam"]
        rises = []
        for _ in range(200):
            draw = F.normalize(torch.randn(len(dense()), generator=dice).double(), dim=0)
            rises.append(float(surface().loss(surface().here + scale * draw) - base))
        assert found[f"worst{kind}"] > max(rises)
        error = float(np.std(rises)) / math.sqrt(20)
        assert abs(found[f"average{kind}"] - float(np.mean(rises))) < 4 * error


def test_average_sharpness_of_a_small_ball_is_the_trace() -> None:
    """E L(w + ρu) − L(w) → ρ² tr H / 2ω for u uniform on the sphere."""
    rho = 0.05
    on = view(surface().model, ON)
    found = readings("sharpness", on, rho=rho, examples=60, samples=1000, steps=0)
    expected = rho**2 * float(dense().trace()) / (2 * len(dense()))
    slope = surface().gradient(surface().here)[1].norm()
    noise = rho * float(slope) / math.sqrt(len(dense()) * 1000)
    assert abs(found["average"] - expected) < 4 * noise
