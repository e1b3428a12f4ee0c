"""The Fisher–Rao norm: closed form without biases, per-example gradients with them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view


def closed(net: nn.Module, on, layers: int) -> float:  # type: ignore[no-untyped-def]
    """n_w √E[(Σ_k p_k f_k − f_y)²]: f is homogeneous of degree one in each of n_w layers."""
    f = net(on.train.x)
    own = f.gather(1, on.train.y[:, None])[:, 0]
    slope = (f.softmax(1) * f).sum(1) - own
    return float(layers * slope.square().mean().sqrt().detach())


def by_examples(net: nn.Module, on) -> float:  # type: ignore[no-untyped-def]
    """√E[⟨θ, ∇ℓ⟩²], one backward pass an example."""
    total = 0.0
    weights = list(net.parameters())
    for x, y in zip(on.train.x, on.train.y, strict=True):
        slopes = torch.autograd.grad(F.cross_entropy(net(x[None]), y[None]), weights)
        inner = sum(float((w.detach() * g).sum()) for w, g in zip(weights, slopes, strict=True))
        total += inner**2
    return (total / len(on.train)) ** 0.5


@pytest.mark.parametrize("hidden", [(), (9,), (8, 7), (6, 6, 6)])
def test_without_biases_it_is_the_closed_form(hidden: tuple[int, ...]) -> None:
    on = task()
    net = doubled(mlp(on, hidden=hidden, bias=False))
    found = readings("fisher_rao", view(net, on))["norm"]
    assert found == pytest.approx(closed(net, on, len(hidden) + 1), rel=1e-12)


def test_convolutions_count_as_layers_and_relus_do_not() -> None:
    on = task((1, 8, 8))
    net = doubled(cnn(on, bias=False))
    assert readings("fisher_rao", view(net, on))["norm"] == pytest.approx(closed(net, on, 4))


def test_with_biases_it_is_the_mean_over_examples() -> None:
    on = task(count=160)  # more than a batch
    net = doubled(mlp(on))
    assert readings("fisher_rao", view(net, on))["norm"] == pytest.approx(by_examples(net, on))
    assert by_examples(net, on) != pytest.approx(closed(net, on, 3), rel=1e-3)


def test_with_batch_norm_it_is_the_mean_over_examples() -> None:
    on = task()
    net = doubled(
        nn.Sequential(mlp(on)[0], nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 4))
    ).eval()
    assert readings("fisher_rao", view(net, on))["norm"] == pytest.approx(by_examples(net, on))
