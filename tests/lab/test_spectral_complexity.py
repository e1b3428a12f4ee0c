"""Linear maps against dense matrices, spectral complexity by hand, ranks by singular values."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from tests.lab.nets import digits, trained
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.layers import Layers
from worker.lab.core.linear_map import LinearMap, linear_maps
from worker.lab.core.outputs import accuracy
from worker.lab.diagnostics.rank_truncation import truncations
from worker.lab.diagnostics.stable_rank import stable_rank


def dense(found: LinearMap, weight: Tensor) -> Tensor:
    size = math.prod(found.shape)
    unit = torch.eye(size).double().view(size, *found.shape)
    return found(weight, unit).flatten(1).T


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(12, 7),
        nn.Linear(150, 90),
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.Conv2d(4, 2, 2, stride=2),
        nn.Conv2d(2, 2, 3, dilation=2),
        nn.Conv2d(2, 4, 3, groups=2),
    ],
    ids=str,
)
@torch.no_grad()
def test_a_layer_is_the_dense_matrix_it_unrolls_to(layer: nn.Linear | nn.Conv2d) -> None:
    shape = (layer.in_features,) if isinstance(layer, nn.Linear) else (layer.in_channels, 7, 6)
    torch.manual_seed(0)
    weight = torch.randn(layer.weight.shape).double()
    found = LinearMap(layer, shape)
    matrix = dense(found, weight)
    y = torch.randn(1, *found(weight, torch.zeros(1, *shape).double()).shape[1:]).double()
    back = found.transposed(weight, y).flatten()
    assert torch.allclose(back, matrix.T @ y.flatten())
    top = float(torch.linalg.matrix_norm(matrix, 2))
    assert float(found.spectral_norm(weight)) == pytest.approx(top, rel=1e-6)
    assert float(found.spectral_norm(weight)) <= top * (1 + 1e-12)
    rows = float(matrix.norm(dim=1).sum())
    assert float(found.row_norms(weight)) == pytest.approx(rows, rel=1e-12)


def test_maps_know_what_enters_them() -> None:
    on = task((2, 8, 8))
    net = cnn(on)
    found = linear_maps(Layers.of(net), on.test.x[:1])
    assert [each.shape for each in found] == [(2, 8, 8), (4, 4, 4), (24,), (10,)]
    assert not any(module._forward_pre_hooks for module in net.modules())


@torch.no_grad()
def test_complexity_of_two_layers_by_hand() -> None:
    """Diagonal and one-row matrices, whose norms one can see."""
    on = task((2,), classes=2)
    net = doubled(nn.Sequential(mlp(on)[0], nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2)))
    net[1].weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    net[3].weight.copy_(torch.tensor([[0.0, 2.0], [0.0, 0.0]]))
    initial = {
        "1.weight": torch.tensor([[0.0, 0.0], [0.0, 4.0]]),
        "3.weight": torch.tensor([[3.0, 2.0], [0.0, 1.0]]),
    }
    found = readings("spectral_complexity", view(net, on, initial=initial))
    assert found["product"] == pytest.approx(4 * 2)
    # Row norms 3 + 4 and 2 + 0; from W(0) 3 + 0 and 3 + 1.
    origin = 8 * ((7 / 4) ** (2 / 3) + (2 / 2) ** (2 / 3)) ** 1.5
    assert found["origin"] == pytest.approx(origin)
    moved = 8 * ((3 / 4) ** (2 / 3) + (4 / 2) ** (2 / 3)) ** 1.5
    assert found["initial"] == pytest.approx(moved)


@torch.no_grad()
def test_batch_norm_is_folded_into_weight_and_reference() -> None:
    on = task((2,), classes=2)
    parts = [mlp(on)[0], nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 2)]
    net = doubled(nn.Sequential(*parts)).eval()
    net[2].weight.copy_(torch.tensor([2.0, -3.0]))
    start = {"1.weight": torch.zeros(2, 2), "4.weight": net[4].weight.clone()}
    found = readings("spectral_complexity", view(net, on, initial=start))
    factor = torch.tensor([2.0, -3.0]).double() / math.sqrt(1 + net[2].eps)
    first = factor[:, None] * net[1].weight
    s = [float(torch.linalg.matrix_norm(w, 2)) for w in (first, net[4].weight)]
    rows = float(first.norm(dim=1).sum())
    assert found["product"] == pytest.approx(s[0] * s[1], rel=1e-6)
    assert found["initial"] == pytest.approx(s[0] * s[1] * rows / s[0], rel=1e-6)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (4, 3, 3, 3), (1, 6)])
def test_stable_rank_from_singular_values(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    s = torch.linalg.svdvals(weight.flatten(1))
    expected = float(s.square().sum() / s[0] ** 2)
    assert float(stable_rank(weight)) == pytest.approx(expected)
    assert 1 <= expected <= len(s)


def test_stable_rank_of_a_line_and_of_a_rotation() -> None:
    line = torch.outer(torch.arange(4.0), torch.arange(6.0))
    assert float(stable_rank(line)) == pytest.approx(1, abs=1e-5)
    assert float(stable_rank(torch.eye(6))) == pytest.approx(6)
    assert float(stable_rank(torch.zeros(3, 3))) == 0


def test_truncation_is_the_nearest_matrix_of_its_rank() -> None:
    """Eckart–Young: the rest's Frobenius norm is that of the singular values left out."""
    weight = torch.randn(12, 3, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    s = torch.linalg.svdvals(weight.flatten(1))
    found = dict(truncations(weight))
    assert list(found) == [1, 2, 4, 8, 12]
    for rank, near in found.items():
        assert int(torch.linalg.matrix_rank(near.flatten(1))) == rank
        assert float((weight - near).norm()) == pytest.approx(float(s[rank:].norm()), abs=1e-12)


def test_accuracy_after_truncation_is_that_of_the_truncated_net() -> None:
    on, net = digits(), copy.deepcopy(trained())
    found = readings("rank_truncation", view(net, on), examples=600)
    curve, whole = found["layer1"], accuracy(net, on.test)
    assert curve["x"] == [1, 2, 4, 8, 16, 32, 64]
    u, s, v = torch.linalg.svd(net[2].weight.detach())
    for rank, right in zip(curve["x"], curve["y"], strict=True):
        kept = torch.where(torch.arange(64) < rank, s, 0)
        net[2].weight.data = u @ torch.diag(kept) @ v
        assert right == pytest.approx(accuracy(net, on.test), abs=0.004)
    assert curve["y"][0] < 0.6 < 0.95 < curve["y"][-1]
    assert curve["y"][-1] == pytest.approx(whole)
    enough = [r for r, right in zip(curve["x"], curve["y"], strict=True) if right >= whole - 0.01]
    assert found["needed/layer1"] == enough[0] < 64
