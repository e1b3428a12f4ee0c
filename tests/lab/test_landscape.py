"""The plane: its middle, its directions, and where it grows finer."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

from tests.lab.nets import Linear2
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.diagnostics.landscape import filter_normalised


@pytest.mark.parametrize("over", ["weights", "inputs"])
def test_the_middle_is_the_loss_itself(over: str) -> None:
    on = task((2, 8, 8), count=150)
    net = doubled(cnn(on)).eval()
    found = readings("landscape", view(net, on), over=over, refinements=1, reach=0.5)[over]
    loss = F.cross_entropy(net(on.test.x), on.test.y).detach()
    assert found["x"] == found["y"] == [-0.5, -0.375, -0.25, -0.125, 0, 0.125, 0.25, 0.375, 0.5]
    assert found["z"][4][4] == pytest.approx(float(loss), rel=1e-6)


@pytest.mark.parametrize("shape", [(7, 5), (6, 3, 3, 3)])
def test_every_filter_of_a_direction_is_as_long_as_the_weights(shape: tuple[int, ...]) -> None:
    dice = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=dice).double()
    weight[2] = 0
    found = filter_normalised(weight, dice)
    own, drawn = weight.flatten(1).norm(dim=1), found.flatten(1).norm(dim=1)
    assert torch.allclose(own, drawn, rtol=1e-12)
    assert not found[2].any()
    assert not torch.allclose(found[0], weight[0])


def test_a_point_is_the_loss_of_the_moved_network() -> None:
    """With the directions drawn again from the same seed."""
    on = task(count=100)
    net = doubled(mlp(on)).eval()
    found = readings("landscape", view(net, on), refinements=0)["weights"]
    weights = {n: w.detach() for n, w in net.named_parameters() if w.dim() > 1}
    dice = torch.Generator().manual_seed(0)
    first = {n: filter_normalised(w, dice) for n, w in weights.items()}
    second = {n: filter_normalised(w, dice) for n, w in weights.items()}
    for row, b in enumerate(found["y"]):
        for column, a in enumerate(found["x"]):
            moved = copy.deepcopy(net)
            start = {n: w + a * first[n] + b * second[n] for n, w in weights.items()}
            moved.load_state_dict(start, strict=False)
            loss = float(F.cross_entropy(moved(on.test.x), on.test.y).detach())
            assert found["z"][row][column] == pytest.approx(loss, rel=1e-9)


def test_refining_keeps_what_is_known_and_ends_twice_as_fine() -> None:
    on = task(count=40)
    at = view(mlp(on), on)
    with torch.no_grad():
        asked = Diagnostic.of({"name": "landscape", "refinements": 2})
        surfaces = [value for _, value in asked.study(at)]
    assert [len(surface.z) for surface in surfaces] == [5, 9, 17]
    for coarse, fine in pairwise(surfaces):
        assert coarse.x == fine.x[::2]
        assert [row[::2] for row in fine.z[::2]] == coarse.z


def test_input_directions_are_the_gradient_and_a_right_angle_to_it() -> None:
    """On one logit w·x + b the loss depends on the step along w alone: the second direction is
    flat, the first is log(1 + e^{∓(w·x+b) + a‖w‖})."""
    on = task(classes=2, count=80)
    w = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.5, -0.5])
    found = readings("landscape", view(Linear2(w, -0.7), on), over="inputs", refinements=0)
    score = on.test.x @ w - 0.7
    signed = torch.where(on.test.y == 1, -score, score)
    for row in found["inputs"]["z"]:
        for a, z in zip(found["inputs"]["x"], row, strict=True):
            assert z == pytest.approx(float(F.softplus(signed + a * w.norm()).mean()), rel=1e-4)


def test_two_scales_of_one_function_have_one_picture() -> None:
    """Which plain random directions would not give."""
    on = task(count=60)
    pictures = []
    for factor in (1.0, 8.0):
        net = doubled(mlp(on)).eval()
        with torch.no_grad():
            net[2].weight.mul_(factor)
            net[2].bias.mul_(factor)
            net[4].weight.div_(factor)
        pictures.append(readings("landscape", view(net, on), refinements=0)["weights"]["z"])
    assert torch.allclose(torch.tensor(pictures[0]), torch.tensor(pictures[1]), rtol=1e-6)
