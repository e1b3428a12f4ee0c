"""Layers put back by hand, statistics measured again, distances from the beginning."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.lab.nets import digits, trained
from tests.lab.theory import mlp, task
from tests.lab.views import readings, view
from worker.lab.core.errors import LabError
from worker.lab.core.outputs import accuracy
from worker.lab.core.reestimate import reestimate


def started() -> tuple[nn.Sequential, dict[str, torch.Tensor]]:
    """A trained net, and weights to put back: none of them its own beginning, which is enough."""
    net = copy.deepcopy(trained())
    torch.manual_seed(5)
    return net, {name: 0.1 * torch.randn_like(w) for name, w in net.named_parameters()}


def test_accuracy_is_of_the_net_with_that_layer_put_back() -> None:
    net, initial = started()
    on = view(net, digits(), initial=initial)
    found = readings("reinit_probe", on, examples=600)
    assert found["trained"] == pytest.approx(accuracy(net, digits().test))
    for layer, names in (("layer1", ("2.weight", "2.bias")), ("layer2", ("4.weight", "4.bias"))):
        probe = copy.deepcopy(net)
        probe.load_state_dict({name: initial[name] for name in names}, strict=False)
        assert found[f"initial/{layer}"] == pytest.approx(accuracy(probe, digits().test))
        assert found[f"initial/{layer}"] < found["trained"] - 0.05
        assert 0 < found[f"fresh/{layer}"] < found["trained"]
    table = found["layers"]["columns"]
    assert table["layer"] == ["layer1", "layer2"]
    assert table["fresh"] == [found["fresh/layer1"], found["fresh/layer2"]]


def test_putting_back_what_is_there_changes_nothing() -> None:
    net = copy.deepcopy(trained())
    initial = {name: w.detach().clone() for name, w in net.named_parameters()}
    found = readings("reinit_probe", view(net, digits(), initial=initial), examples=600)
    assert found["initial/layer1"] == found["initial/layer2"] == found["trained"]


def with_norm() -> nn.Sequential:
    torch.manual_seed(0)
    on = digits()
    net = nn.Sequential(
        copy.deepcopy(trained()[0]),
        nn.Flatten(),
        nn.Linear(64, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(net(on.train.x), on.train.y).backward()
        optimizer.step()
    return net.eval()


def test_reestimated_statistics_are_those_of_the_data() -> None:
    net, x = with_norm(), digits().train.x[:500]
    with torch.no_grad():
        net[2].weight.mul_(3)
        inside = net[:3](x)
    before = copy.deepcopy(net.state_dict())
    reestimate(net, x, batch=500)
    assert torch.allclose(net[3].running_mean, inside.mean(0), atol=1e-5)
    assert torch.allclose(net[3].running_var, inside.var(0), rtol=1e-4)
    assert net[3].momentum == 0.1
    assert not net[3].training
    kept = [name for name in before if "running" not in name and "num_batches" not in name]
    assert all(torch.equal(before[name], net.state_dict()[name]) for name in kept)
    reestimate(net, x, batch=250)
    halves = [inside[:250].mean(0), inside[250:].mean(0)]
    assert torch.allclose(net[3].running_mean, (halves[0] + halves[1]) / 2, atol=1e-5)


def test_a_layer_before_batch_norm_may_return_at_any_scale() -> None:
    """Measured again, the statistics undo the factor; left alone they would not."""
    net = with_norm()
    initial = {name: w.detach().clone() for name, w in net.named_parameters()}
    for name in ("2.weight", "2.bias"):
        initial[name] = 7 * initial[name]
    found = readings("reinit_probe", view(net, digits(), initial=initial), examples=600)
    stale = copy.deepcopy(net)
    stale.load_state_dict(initial, strict=False)
    assert found["initial/layer1"] == pytest.approx(found["trained"], abs=0.02)
    assert accuracy(stale, digits().test) < found["trained"] - 0.04


def test_distances_from_the_beginning_by_hand() -> None:
    net, initial = started()
    found = readings("layer_distance", view(net, digits(), initial=initial))
    for layer, name in (("layer1", "2.weight"), ("layer2", "4.weight")):
        distance = float((net.state_dict()[name] - initial[name]).norm())
        assert found[f"absolute/{layer}"] == pytest.approx(distance, rel=1e-6)
        relative = distance / float(initial[name].norm())
        assert found[f"relative/{layer}"] == pytest.approx(relative, rel=1e-6)


def test_weights_that_are_computed_have_no_beginning() -> None:
    on = task()
    net = mlp(on)
    nn.utils.parametrizations.weight_norm(net[2])
    with pytest.raises(LabError, match="computed from other parameters"):
        readings("layer_distance", view(net, on))
