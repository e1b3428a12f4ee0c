"""Core and background of the first layer, where both are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.lab.theory import mlp, task
from tests.lab.views import readings, view
from worker.lab.core.dataset import Dataset
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.task import Task


def load(mean: float = 0.5) -> Task:
    return Dataset.of({"name": "structured_features", "background_mean": mean}).load(None)


def crafted(on: Task) -> nn.Sequential:
    """Units 1 and 2 see one core direction each, unit 3 a background direction."""
    net = mlp(on, hidden=(3,))
    first, last = net[2], net[4]
    core, background = on.extras["core"], on.extras["background"]
    first.weight.data = torch.stack([core[0], -2 * core[5], 2 * background[3] + 0 * core[0]])
    first.bias.data = torch.tensor([0.0, 0.0, 5.0])
    last.weight.data = torch.tensor([[0.0, 0.0, 1.0], [1.0, 2.0, 0.5]])
    last.bias.data = torch.zeros(2)
    return net


def test_the_measures_of_a_crafted_net_by_hand() -> None:
    on = load()
    found = readings("feature_contamination", view(crafted(on), on))
    assert found["core"] == pytest.approx((1 + 2 + 0) / 3, rel=1e-4)
    assert found["background"] == pytest.approx(2 / 3, rel=1e-4)
    assert found["ratio"] == pytest.approx(2 / 3, rel=1e-4)
    # |a| = (1, 2, 0.5)
    assert found["path_ratio"] == pytest.approx(0.5 * 2 / (1 * 1 + 2 * 2), rel=1e-4)
    active = (on.train.x - 0.5) * 16 @ torch.stack([on.extras["core"][0], -on.extras["core"][5]]).T
    shares = [(active[on.train.y == k] > 0).double().mean(0) for k in (0, 1)]
    expected = float((shares[1] - shares[0]).abs().sum()) / 3  # the third is always active
    assert found["asymmetry"] == pytest.approx(expected, abs=1e-6)


def test_gradients_are_parted_into_core_and_background() -> None:
    on = load()
    net = crafted(on)
    x = on.train.x.clone().requires_grad_()
    f = net(x)
    (slope,) = torch.autograd.grad((f[:, 1] - f[:, 0]).sum(), x)
    parts = [(slope @ on.extras[name].T).norm(dim=1).mean() for name in ("background", "core")]
    found = readings("feature_contamination", view(net, on))
    assert found["gradient_ratio"] == pytest.approx(float(parts[0] / parts[1]), rel=1e-5)
    whole = (slope @ torch.cat([on.extras["core"], on.extras["background"]]).T).norm(dim=1)
    assert torch.allclose(whole, slope.norm(dim=1), rtol=1e-4)


def test_losses_are_those_of_the_training_and_of_the_shifted_data() -> None:
    on = load()
    net = crafted(on)
    found = readings("feature_contamination", view(net, on))
    for prefix, x, y in (
        ("", on.train.x, on.train.y),
        ("shifted_", on.extras["ood_x"], on.extras["ood_y"]),
    ):
        f = net(x).detach()
        assert found[f"{prefix}loss"] == pytest.approx(float(F.cross_entropy(f, y)), rel=1e-4)
        right = float((f.argmax(1) == y).double().mean())
        assert found[f"{prefix}accuracy"] == pytest.approx(right)


def trained(mean: float, relu: bool = True) -> dict[str, float]:
    choice = {"name": "structured_features", "core": "linear", "background_mean": mean}
    on = Dataset.of(choice).load(None)
    net = mlp(on, hidden=(128,))
    if not relu:
        net[3] = nn.Identity()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-3)
    for _ in range(250):
        optimizer.zero_grad()
        F.cross_entropy(net(on.train.x), on.train.y).backward()
        optimizer.step()
    found: dict[str, float] = readings("feature_contamination", view(net, on))
    return found


def test_only_a_background_with_a_mean_under_relu_is_learned() -> None:
    contaminated = trained(0.5)
    assert contaminated["accuracy"] == contaminated["shifted_accuracy"] == 1  # which hides it
    assert contaminated["shifted_loss"] > 0.1
    for clean in (trained(0.0), trained(0.5, relu=False)):
        assert clean["shifted_loss"] < 0.01
        assert contaminated["background"] > 1.2 * clean["background"]
        assert contaminated["ratio"] > 1.2 * clean["ratio"]
        assert contaminated["gradient_ratio"] > 2 * clean["gradient_ratio"]


def test_it_is_for_data_that_tells_its_directions() -> None:
    asked = Diagnostic.of({"name": "feature_contamination"})
    assert asked.applies(load())
    assert not asked.applies(task())
