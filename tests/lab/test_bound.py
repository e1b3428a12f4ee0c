"""The bound on the input gradient is never below what is measured."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.theory import cnn, doubled, mlp, task, weighted
from tests.lab.views import readings, view
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers, stretch
from worker.lab.core.model import Normalize
from worker.lab.core.task import Task

CASES = ["random mlp", "random cnn", "trained mlp", "trained cnn", "no biases", "rank one"]


def build(case: str) -> tuple[Task, nn.Module]:
    on = task((2, 8, 8)) if "cnn" in case else task()
    model = cnn(on) if "cnn" in case else mlp(on, bias=case != "no biases")
    doubled(model)
    if "trained" in case:
        optimizer = torch.optim.Adam(model.parameters(), 0.02)
        for _ in range(150):
            optimizer.zero_grad()
            F.cross_entropy(model(on.train.x.double()), on.train.y).backward()
            optimizer.step()
    if case == "rank one":  # where Frobenius and spectral norm meet
        with torch.no_grad():
            for weight in Layers.of(model).weights:
                weight.copy_(torch.ones_like(weight))
    return on, model


def ratio(model: nn.Module, x: Tensor, y: Tensor, create_graph: bool = False) -> Tensor:
    """‖∇ₓ CE‖₂ / (‖p − e_y‖₂ C ν) of every example."""
    layers = Layers.of(model)
    logits = model(x)
    loss = F.cross_entropy(logits, y, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x, create_graph=create_graph)
    residual = logits.softmax(1) - F.one_hot(y, logits.shape[1])
    reach = layers.constant * layers.norms().prod()
    return gradient.flatten(1).norm(dim=1) / (residual.norm(dim=1) * reach)


@pytest.mark.parametrize("case", CASES)
def test_no_input_breaks_the_bound(case: str) -> None:
    on, model = build(case)
    x = torch.rand(500, *on.shape, dtype=torch.double, generator=torch.Generator().manual_seed(4))
    y = torch.arange(500) % len(on.classes)
    found = ratio(model, x.requires_grad_(), y).detach()
    assert 0 < float(found.max()) <= 1


@pytest.mark.parametrize("case", CASES)
def test_an_input_looked_for_by_gradient_ascent_does_not_break_it_either(case: str) -> None:
    on, model = build(case)
    x = torch.rand(40, *on.shape, dtype=torch.double, generator=torch.Generator().manual_seed(5))
    y = torch.arange(40) % len(on.classes)
    highest = start = float(ratio(model, x.requires_grad_(), y).detach().max())
    for _ in range(60):
        x = x.detach().requires_grad_()
        found = ratio(model, x, y, create_graph=True)
        highest = max(highest, float(found.detach().max()))
        (up,) = torch.autograd.grad(found.sum(), x)
        x = (
            x + 0.05 * up / (up.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1)) + 1e-30)
        ).clamp(0, 1)
    assert start <= highest <= 1


def test_a_rank_one_network_comes_close_to_the_bound() -> None:
    """Otherwise a constant far too large would pass unseen: one layer, all inputs alike."""
    on = task((8,))
    model = doubled(mlp(on, hidden=(), bias=False))
    with torch.no_grad():
        weight = Layers.of(model).weights[0]
        weight.zero_()[0] = 1.0
    x = torch.full((1, 8), 0.5, dtype=torch.double, requires_grad=True)
    y = torch.tensor([0])
    found = float(ratio(model, x, y).detach())
    share = 0.75 / (0.75**2 + 3 * 0.25**2) ** 0.5  # |p_0 − 1| of ‖p − e_0‖
    assert found == pytest.approx(share, rel=1e-6)


def spectral(module: nn.Module, shape: tuple[int, ...]) -> float:
    """The largest singular value of a linear module, by its matrix."""
    count = torch.Size(shape).numel()
    rows = module(torch.eye(count, dtype=torch.double).view(count, *shape)).flatten(1).detach()
    return float(torch.linalg.matrix_norm(rows, 2))


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        (3, 1, 1, 1),
        (3, 2, 1, 1),
        (5, 2, 0, 1),
        (2, 2, 0, 1),
        (1, 1, 0, 1),
        (3, 3, 1, 1),
        (3, 1, 2, 2),
        (4, 3, 0, 1),
    ],
)
def test_convolutions_stretch_no_more_than_their_constant(
    kernel: int, stride: int, padding: int, dilation: int
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, kernel, stride, padding, dilation, bias=False).double()
    with torch.no_grad():
        conv.weight.abs_()
    assert spectral(conv, (2, 9, 9)) <= stretch(conv) * float(conv.weight.detach().norm())


def test_the_constant_of_a_convolution_is_reached() -> None:
    """A constant kernel and a constant image, but for the border: √(k_h k_w) is needed."""
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    nn.init.ones_(conv.weight)
    reached = spectral(conv, (1, 14, 14)) / float(conv.weight.detach().norm())
    assert 0.9 * stretch(conv) < reached <= stretch(conv)
    strided = nn.Conv2d(1, 1, 4, stride=2, bias=False).double()
    nn.init.ones_(strided.weight)
    reached = spectral(strided, (1, 24, 24)) / float(strided.weight.detach().norm())
    assert 0.9 * stretch(strided) < reached <= stretch(strided)


def test_pooling_and_normalisation() -> None:
    assert stretch(nn.MaxPool2d(2)) == 1
    assert stretch(nn.MaxPool2d(3, stride=1)) == 3
    assert stretch(nn.MaxPool2d(3, stride=2)) == 2
    assert stretch(Normalize((0.0, 0.0), (0.5, 0.25), 3)) == 4


def test_a_layer_whose_stretch_is_unknown_is_refused() -> None:
    with pytest.raises(LabError, match="GELU"):
        Layers.of(nn.Sequential(nn.Linear(2, 2), nn.GELU())).constant  # noqa: B018
    with pytest.raises(LabError, match="Conv2d"):
        stretch(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))


def test_the_diagnostic_reads_both_sides_of_the_bound() -> None:
    """‖p − e_y‖₂ Π ‖W_l‖_F by hand, over the scale of the inputs."""
    on = task()
    model = mlp(on)
    at = view(model, on)
    x = at.x.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(F.cross_entropy(model(x), at.y, reduction="sum"), x)
    found = readings("bound_tightness", replace(at, input_gradient=slopes))
    product = math.prod(float(layer.weight.detach().norm()) for layer in weighted(model))
    residual = (at.logits.softmax(1) - F.one_hot(at.y, 4)).norm(dim=1)
    sides = residual * product / min(on.std)
    assert found["gradient/bound"] == pytest.approx(float(sides.mean()), rel=1e-5)
    assert found["gradient/bound_max"] == pytest.approx(float(sides.max()), rel=1e-5)
    measured = float(slopes.norm(dim=1).mean() / sides.mean())
    assert found["gradient/tightness"] == pytest.approx(measured, rel=1e-5)
    assert 0 < measured < 1
