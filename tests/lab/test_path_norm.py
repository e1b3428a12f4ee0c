"""The path norm by walking every path, pools, shortcuts and folded statistics included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.errors import LabError
from worker.lab.core.model import AvgPool, Residual
from worker.lab.diagnostics.path_norm import paths

Edges = list[tuple[Tensor, Tensor]]


def matrix(f: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> Tensor:
    """The linear part of an affine module as a dense matrix (outputs, inputs)."""
    size = int(torch.tensor(shape).prod())
    unit = torch.eye(size).double().view(size, *shape)
    zero = f(torch.zeros(1, *shape).double())
    return (f(unit) - zero).flatten(1).T


def pool_edges(shape: tuple[int, ...]) -> Tensor:
    """An edge of weight 1 from each entry of a 2 × 2 window to its output."""
    average = matrix(nn.AvgPool2d(2), shape)
    return (average > 0).double()


def unrolled(modules: list[nn.Module], shape: tuple[int, ...]) -> Edges:
    """Each linear step as (matrix, bias); ReLU is a node, not an edge."""
    edges: Edges = []
    for module in modules:
        x = torch.zeros(1, *shape).double()
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d | AvgPool):
            edges.append((matrix(module, shape), module(x).flatten()))
        elif isinstance(module, nn.MaxPool2d):
            edges.append((pool_edges(shape), torch.zeros(module(x).numel()).double()))
        shape = tuple(module(x).shape[1:])
    return edges


def walk(edges: Edges) -> tuple[float, float]:
    """Σ |product| and Σ product² over every path, one by one: depth first, from each output."""
    sums = [0.0, 0.0]

    def back(layer: int, node: int, product: float) -> None:
        if layer < 0:
            sums[0] += abs(product)
            sums[1] += product**2
            return
        weight, bias = edges[layer]
        sums[0] += abs(product * float(bias[node]))
        sums[1] += (product * float(bias[node])) ** 2
        for before, w in enumerate(weight[node].tolist()):
            if w:
                back(layer - 1, before, product * w)

    for output in range(len(edges[-1][1])):
        back(len(edges) - 1, output, 1.0)
    return sums[0], sums[1] ** 0.5


@torch.no_grad()
def test_an_mlp_with_biases_path_by_path() -> None:
    on = task((3,), classes=3)
    net = doubled(mlp(on, hidden=(4, 3))).eval()
    l1, l2 = walk(unrolled(list(net)[1:], (3,)))
    found = readings("path_norm", view(net, on))
    assert found["l1"] == pytest.approx(l1, rel=1e-12)
    assert found["l2"] == pytest.approx(l2, rel=1e-12)


@torch.no_grad()
def test_convolution_max_pool_and_folded_batch_norm_path_by_path() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(2)
    norm.weight.data = torch.tensor([0.7, -1.3])
    norm.bias.data = torch.tensor([0.2, -0.4])
    norm.running_mean = torch.tensor([0.3, -0.1])
    norm.running_var = torch.tensor([0.5, 2.0])
    convolution = nn.Conv2d(1, 2, 3, padding=1)
    tail = [nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 2)]
    net = nn.Sequential(convolution, norm, *tail).double().eval()
    # Batch normalisation is part of its convolution: one affine map, one bias.
    folded = nn.Conv2d(1, 2, 3, padding=1).double()
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    folded.weight.data = convolution.weight * factor.view(-1, 1, 1, 1)
    folded.bias.data = (convolution.bias - norm.running_mean) * factor + norm.bias  # type: ignore[union-attr]
    l1, l2 = walk(unrolled([folded, *tail], (1, 4, 4)))
    ones = torch.ones(1, 1, 4, 4).double()
    assert float(paths(net, ones, 1).sum()) == pytest.approx(l1, rel=1e-12)
    assert float(paths(net, ones, 2).sum().sqrt()) == pytest.approx(l2, rel=1e-12)


@torch.no_grad()
def test_average_pool_and_a_loose_batch_norm_path_by_path() -> None:
    torch.manual_seed(1)
    net = nn.Sequential(
        nn.BatchNorm2d(2), nn.ReLU(), nn.Conv2d(2, 3, 3), AvgPool(), nn.Linear(3, 2)
    )
    net[0].weight.data.uniform_(-1, 1)
    net[0].bias.data.uniform_(-1, 1)
    net = net.double().eval()
    l1, l2 = walk(unrolled(list(net), (2, 4, 4)))
    ones = torch.ones(1, 2, 4, 4).double()
    assert float(paths(net, ones, 1).sum()) == pytest.approx(l1, rel=1e-12)
    assert float(paths(net, ones, 2).sum().sqrt()) == pytest.approx(l2, rel=1e-12)


@torch.no_grad()
def test_a_shortcut_adds_its_paths() -> None:
    """An identity is an edge of weight 1 beside those of the branch."""
    torch.manual_seed(2)
    inner, outer = nn.Linear(3, 4), nn.Linear(4, 3)
    last = nn.Linear(3, 2)
    block = Residual(nn.Sequential(inner, nn.ReLU(), outer), nn.Sequential())
    net = nn.Sequential(block, nn.ReLU(), last).double().eval()
    tail = unrolled([last], (3,))
    through = walk([*unrolled([inner, nn.ReLU(), outer], (3,)), *tail])
    around = walk([(torch.eye(3).double(), torch.zeros(3).double()), *tail])
    bias = float(last.bias.abs().sum()), float(last.bias.square().sum())
    ones = torch.ones(1, 3).double()
    # The bias of the last layer is a path of both walks, and one path of the network.
    assert float(paths(net, ones, 1).sum()) == pytest.approx(through[0] + around[0] - bias[0])
    squares = through[1] ** 2 + around[1] ** 2 - bias[1]
    assert float(paths(net, ones, 2).sum()) == pytest.approx(squares)


@torch.no_grad()
def test_the_maximum_left_in_place_would_be_lower() -> None:
    """The defect of a widely used form, told from the definition."""
    on = task((1, 8, 8), classes=3)
    net = doubled(cnn(on)).eval()
    found = readings("path_norm", view(net, on))["l2"]
    squared = doubled(cnn(on)).eval()
    for parameter in squared.parameters():
        parameter.pow_(2)
    squared[0] = nn.Identity()
    lower = float(squared(torch.ones(1, 1, 8, 8).double()).sum().sqrt())
    assert lower < 0.9 * found


@torch.no_grad()
def test_it_bounds_how_much_the_network_stretches() -> None:
    """‖f(x) − f(x')‖₁ ≤ l1 · ‖x − x'‖_∞ at a network without biases."""
    on = task((6,), classes=3)
    net = doubled(mlp(on, hidden=(8,), bias=False)).eval()
    l1 = readings("path_norm", view(net, on))["l1"]
    x = on.train.x.double()
    after = net[1:]
    gaps = (after(x[1:]) - after(x[:-1])).abs().sum(1) / (x[1:] - x[:-1]).abs().amax(1)
    assert 0 < float(gaps.max()) <= l1


def test_modules_without_known_paths_are_refused() -> None:
    with pytest.raises(LabError, match="Sigmoid"):
        paths(nn.Sequential(nn.Linear(2, 2), nn.Sigmoid()), torch.ones(1, 2).double(), 1)
