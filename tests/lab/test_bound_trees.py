"""The bound on residual networks: attacked, and what must not be used in its place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.trees import CLASSES, SHAPE, points, preact, residual_mlp, resnet, trained
from worker.lab.core.layers import Layers
from worker.lab.core.model import Residual

KINDS = ["residual", "residual, batch norm", "batch norm first", "residual, linear"]


def build(kind: str, seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    if kind == "residual, linear":
        return residual_mlp(seed), (4,)
    return (preact(seed) if kind == KINDS[2] else resnet("norm" in kind, seed)), SHAPE


def ratio(model: nn.Module, x: Tensor, y: Tensor, reach: float, graph: bool = False) -> Tensor:
    """‖∇ₓ CE‖₂ / (‖p − e_y‖₂ C ν) of every example."""
    logits = model(x)
    (gradient,) = torch.autograd.grad(
        F.cross_entropy(logits, y, reduction="sum"), x, create_graph=graph
    )
    residual = logits.softmax(1) - F.one_hot(y, CLASSES)
    return gradient.flatten(1).norm(dim=1) / (residual.norm(dim=1) * reach)


@pytest.mark.parametrize("fitted", [False, True], ids=["random", "trained"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_input_found_by_ascent_breaks_the_bound(kind: str, fitted: bool) -> None:
    for seed in range(3):
        model, shape = build(kind, seed)
        if fitted:
            trained(model, shape)
        layers = Layers.of(model)
        reach = float(layers.bound(layers.norms()))
        x, y = points(30, shape), torch.arange(30) % CLASSES
        for _ in range(25):
            x = x.detach().requires_grad_()
            found = ratio(model, x, y, reach, graph=True)
            assert 0 < float(found.detach().max()) <= 1
            (up,) = torch.autograd.grad(found.sum(), x)
            x = (x + 0.1 * up.sign()).clamp(0, 1)


def test_the_spectral_norms_bound_too_and_tighter() -> None:
    model, shape = build("residual", 0)
    layers = Layers.of(model)
    spectral = torch.stack([torch.linalg.matrix_norm(w.flatten(1), 2) for w in layers.folded])
    tight = float(layers.bound(spectral.detach()))
    assert tight < float(layers.bound(layers.norms()))
    x, y = points(200, shape).requires_grad_(), torch.arange(200) % CLASSES
    assert float(ratio(model, x, y, tight).detach().max()) <= 1


def test_the_product_over_all_layers_is_no_bound_on_a_residual_network() -> None:
    """The shortcut passes the input on however small the branch is: ‖J‖ ≈ 1, Π‖W‖ → 0."""
    model = residual_mlp()
    with torch.no_grad():
        for block in (m for m in model if isinstance(m, Residual)):
            for layer in (block.branch[0], block.branch[2]):
                layer.weight.mul_(0.05)  # type: ignore[operator, union-attr]
    layers = Layers.of(model)
    x = points(1, (4,))[0]
    jacobian = torch.autograd.functional.jacobian(lambda z: model(z[None])[0], x)
    steepest = float(torch.linalg.matrix_norm(jacobian, 2))
    naive = float(layers.norms().prod())
    assert steepest > 2 * naive
    assert steepest <= float(layers.bound(layers.norms()))


def test_the_tree_is_reached_where_all_paths_agree() -> None:
    """Identity blocks of rank one in the same direction: (1 + P) exactly, nothing is lost."""
    way = torch.tensor([0.6, 0.8], dtype=torch.double)
    block = Residual(nn.Sequential(nn.Linear(2, 2, bias=False)), nn.Sequential()).double()
    head = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        block.branch[0].weight.copy_(3 * torch.outer(way, way))  # type: ignore[operator, union-attr]
        head.weight.copy_(torch.stack([way, 0 * way]))
    model = nn.Sequential(block, head)
    layers = Layers.of(model)
    jacobian = torch.autograd.functional.jacobian(lambda z: model(z[None])[0], way)
    assert float(torch.linalg.matrix_norm(jacobian, 2)) == pytest.approx(4.0, rel=1e-9)
    assert float(layers.bound(layers.norms())) == pytest.approx(4.0, rel=1e-9)
