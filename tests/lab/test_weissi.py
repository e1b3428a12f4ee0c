"""The theorems behind WEISSI, on networks small enough to be exact."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.theory import centred, cnn, doubled, mlp, shift, task, weighted
from worker.lab.core.method import Method
from worker.lab.core.task import Task
from worker.lab.methods.lp import Lp
from worker.lab.methods.weissi import Weissi

FORMS = [
    Weissi(strength=0.7, form="log", floor=0),
    Weissi(strength=0.7, form="product"),
    Weissi(strength=0.0, direction=0.3),
    Weissi(strength=0.5, direction=0.1),
]
PENALTIES = [*FORMS, Lp(strength=0.4), Lp(strength=0.4, p=1, q=1), Lp(strength=0.4, p=1.5, q=3)]


def nets() -> list[tuple[Task, nn.Module]]:
    plain, image = task(), task((1, 8, 8))
    return [(plain, doubled(mlp(plain))), (image, doubled(cnn(image)))]


def value(method: Method, model: nn.Module, on: Task) -> Tensor:
    return torch.stack(list(method.weight_loss(model, on).values())).sum()


def number(method: Method, model: nn.Module, on: Task) -> float:
    return float(value(method, model, on).detach())


@pytest.mark.parametrize("net", [0, 1], ids=["mlp", "cnn"])
@pytest.mark.parametrize("factor", [1e-2, 0.5, 7.0])
def test_a_shift_keeps_the_function_and_every_form_of_weissi(net: int, factor: float) -> None:
    on, model = nets()[net]
    x = centred(on, model)
    logits = model(x)
    before = [number(method, model, on) for method in FORMS]
    decay = number(Lp(), model, on)
    shift(model, 0, factor)
    shift(model, 1, factor)
    assert torch.allclose(model(x), logits, rtol=1e-10, atol=1e-12)
    after = [number(method, model, on) for method in FORMS]
    assert after == pytest.approx(before, rel=1e-12)
    assert number(Lp(), model, on) != pytest.approx(decay, rel=1e-3)


def test_scaling_each_bias_with_its_own_layer_breaks_the_function() -> None:
    on = task()
    model = doubled(mlp(on))
    x = centred(on, model)
    logits = model(x)
    shift(model, 0, 3.0, cumulative=False)
    assert float((model(x) - logits).detach().abs().max()) > 0.01


def test_weight_decay_is_least_on_an_orbit_at_equal_norms() -> None:
    """min over shifts of Σ‖W‖² is L · ν^(2/L)."""
    on = task()
    model = doubled(mlp(on))
    layers = weighted(model)
    norms = [float(layer.weight.detach().norm()) for layer in layers]
    level = math.prod(norms) ** (1 / len(norms))
    least = 0.5 * len(norms) * level**2
    assert number(Lp(strength=1), model, on) > least
    shift(model, 0, level / norms[0])
    shift(model, 1, level / float(layers[1].weight.detach().norm()))
    assert number(Lp(strength=1), model, on) == pytest.approx(least, rel=1e-12)


@pytest.mark.parametrize("net", [0, 1], ids=["mlp", "cnn"])
@pytest.mark.parametrize("method", PENALTIES, ids=str)
def test_closed_form_gradients_are_autograds_and_finite_differences(
    method: Method, net: int
) -> None:
    on, model = nets()[net]
    weights = [layer.weight for layer in weighted(model)]
    closed = torch.autograd.grad(value(method, model, on), weights)
    plain = reference(method, weights)
    assert number(method, model, on) == pytest.approx(float(plain.detach()), rel=1e-12)
    for mine, theirs in zip(closed, torch.autograd.grad(plain, weights), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    difference(method, model, on, weights, closed)


def reference(method: Method, weights: list[Tensor]) -> Tensor:
    """The penalty written down as a formula, for autograd."""
    if isinstance(method, Lp):
        powers = [(w.abs() ** method.p).sum() ** (method.q / method.p) for w in weights]
        return method.strength / method.q * torch.stack(powers).sum()
    assert isinstance(method, Weissi)
    norms = torch.stack([w.norm() for w in weights])
    direction = sum(w.abs().sum() / w.norm() for w in weights) * method.direction
    if method.form == "log":
        return method.strength * norms.log().sum() + direction
    start = math.prod(math.sqrt(len(w) / 3) for w in weights)
    return method.strength * norms.prod() / start + direction


def difference(
    method: Method, model: nn.Module, on: Task, weights: list[Tensor], closed: tuple[Tensor, ...]
) -> None:
    generator = torch.Generator().manual_seed(3)
    way = [torch.randn(w.shape, generator=generator, dtype=w.dtype) for w in weights]
    slope = sum(float((g * d).sum()) for g, d in zip(closed, way, strict=True))
    step = 1e-6
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for w, d in zip(weights, way, strict=True):
                w.add_(d, alpha=sign * step)
            sides.append(number(method, model, on))
            for w, d in zip(weights, way, strict=True):
                w.sub_(d, alpha=sign * step)
    assert (sides[0] - sides[1]) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-8)


def test_the_floor_leaves_a_vanishing_layer_alone() -> None:
    on = task()
    model = doubled(mlp(on))
    first = weighted(model)[0].weight
    with torch.no_grad():
        first.mul_(1e-6)
    for form in ("log", "product"):
        method = Weissi(strength=1, form=form, floor=1e-3)
        value(method, model, on).backward()
        assert first.grad is not None
        assert float(first.grad.abs().max()) == 0
        first.grad = None


@pytest.mark.parametrize(("hidden", "close"), [((), 1e-5), ((12,), 2e-2)], ids=["linear", "relu"])
def test_at_stationarity_the_mean_of_residual_times_logits_is_lambda(
    hidden: tuple[int, ...], close: float
) -> None:
    """E[(y − p)·f] = λ on a bias-free network; the search ends near a kink of the ReLUs."""
    on, strength = task(count=16), 0.1
    model = doubled(mlp(on, hidden=hidden, bias=False))
    x, y = on.train.x.double(), on.train.y
    method = Weissi(strength=strength, floor=0)
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=4000, tolerance_grad=1e-10, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y) + value(method, model, on)
        loss.backward()
        return loss

    optimizer.step(closure)
    logits = model(x).detach()
    residual = F.one_hot(y, logits.shape[1]) - logits.softmax(1)
    assert float((residual * logits).sum(1).mean()) == pytest.approx(strength, rel=close)


@pytest.mark.parametrize(("classes", "limit"), [(2, 0.28), (10, 1.10), (100, 2.63), (1000, 4.42)])
def test_the_largest_lambda_with_a_stationary_point(classes: int, limit: float) -> None:
    """max over logits of (e_y − p)·f is W₀((K − 1)/e): above it only W = 0 is left."""
    a = torch.linspace(0, 30, 300_001, dtype=torch.double)  # logits (a, 0, …, 0)
    gap = a * (classes - 1) / (a.exp() + classes - 1)
    assert float(gap.max()) == pytest.approx(limit, abs=0.006)
    w = float(gap.max())
    assert w * math.exp(w) == pytest.approx((classes - 1) / math.e, rel=1e-6)


def test_above_the_limit_the_log_form_collapses_and_below_it_does_not() -> None:
    ends = {}
    on = task()
    x, y = on.train.x, on.train.y
    for strength in (0.02, 2.0):
        model = mlp(on, bias=False)
        method = Weissi(strength=strength, floor=0.01)
        optimizer = torch.optim.SGD(model.parameters(), 0.05)
        for _ in range(400):
            optimizer.zero_grad()
            (F.cross_entropy(model(x), y) + value(method, model, on)).backward()
            optimizer.step()
        ends[strength] = float(F.cross_entropy(model(x), y).detach())
    assert ends[2.0] == pytest.approx(math.log(4), abs=0.1)
    assert ends[0.02] < 1.0


@pytest.mark.parametrize(
    ("method", "rate"),
    [
        (Weissi(strength=0.4, floor=0), 0),
        (Weissi(strength=0.4, form="product"), 0),
        (Lp(strength=0.4), 0.4),
    ],
    ids=["log", "product", "weight decay"],
)
def test_gradient_flow_keeps_imbalance_and_weight_decay_removes_it(
    method: Method, rate: float
) -> None:
    """‖W_l‖² − ‖W_k‖² is conserved, or decays as exp(−2λt)."""
    on = task()
    model = doubled(mlp(on, bias=False))
    shift(model, 0, 3.0)
    x, y, weights = on.train.x.double(), on.train.y, [layer.weight for layer in weighted(model)]
    start = imbalance(weights)
    flow_time, step = 0.5, 2e-4
    for _ in range(int(flow_time / step)):
        loss = F.cross_entropy(model(x), y) + value(method, model, on)
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(step * gradient)
    wanted = [gap * math.exp(-2 * rate * flow_time) for gap in start]
    assert imbalance(weights) == pytest.approx(wanted, rel=2e-3)


def imbalance(weights: list[Tensor]) -> list[float]:
    squares = [float(weight.detach().square().sum()) for weight in weights]
    return [a - b for a, b in pairwise(squares)]


def test_lp_with_p_and_q_two_is_the_optimizers_weight_decay() -> None:
    on, strength = task(), 0.3
    mine, theirs = doubled(mlp(on, bias=False)), doubled(mlp(on, bias=False))
    x, y = on.train.x.double(), on.train.y
    own = torch.optim.SGD(mine.parameters(), 0.1, 0.9)
    torchs = torch.optim.SGD(theirs.parameters(), 0.1, 0.9, weight_decay=strength)
    for _ in range(5):
        (F.cross_entropy(mine(x), y) + value(Lp(strength=strength), mine, on)).backward()
        F.cross_entropy(theirs(x), y).backward()
        for optimizer in (own, torchs):
            optimizer.step()
            optimizer.zero_grad()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_the_product_form_starts_near_its_strength_whatever_the_architecture() -> None:
    image = task((1, 8, 8))
    for model in (mlp(image, hidden=(256, 256)), mlp(image, hidden=(128,) * 5), cnn(image)):
        start = number(Weissi(strength=1, form="product"), model, image)
        assert 0.6 < start < 1.6
