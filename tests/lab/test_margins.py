"""Margins by a plain loop, distances exact where the network is linear, layers by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.lab.nets import Linear2, digits, trained
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.margin import margin, margins_and_gradients
from worker.lab.core.task import Split


def test_a_margin_is_the_lead_over_the_best_other() -> None:
    dice = torch.Generator().manual_seed(0)
    logits, y = torch.randn(50, 4, generator=dice), torch.randint(4, (50,), generator=dice)
    for row, label, found in zip(logits.tolist(), y.tolist(), margin(logits, y), strict=True):
        best = max(value for k, value in enumerate(row) if k != label)
        assert float(found) == pytest.approx(row[label] - best)
    assert bool(((margin(logits, y) > 0) == (logits.argmax(1) == y)).all())


def test_margins_are_quantiles_of_the_training_data_signed() -> None:
    on = view(trained(), digits())
    found = readings("margins", on, limit=600)
    train = digits().train.head(600)
    expected = margin(trained()(train.x), train.y).detach().numpy()
    for name, q in (("p10", 0.1), ("quartile1", 0.25), ("median", 0.5), ("quartile3", 0.75)):
        assert found[name] == pytest.approx(np.quantile(expected, q), rel=1e-5)
    assert found["std"] == pytest.approx(expected.std(ddof=1), rel=1e-5)
    counts, edges = found["histogram"]["counts"], found["histogram"]["edges"]
    assert sum(counts) == 600
    assert np.allclose(np.histogram(expected, edges)[0], counts, atol=1)


def test_a_bad_network_has_a_negative_tenth_percentile() -> None:
    """Not its absolute value, which would look like a margin."""
    on = task(classes=4, count=200)
    assert readings("margins", view(mlp(on), on))["p10"] < 0


@pytest.mark.parametrize(("norm", "dual"), [("l2", 2), ("linf", 1)])
def test_distance_is_exact_for_a_linear_classifier(norm: str, dual: int) -> None:
    """|w·x + b| / ‖w‖_* to the plane, and moving by it lands on the plane."""
    on = task(classes=2, count=100)
    w = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.5, -0.5])
    net = Linear2(w, -0.7)
    found = readings("boundary_distance", _view(net, on), norm=norm)
    value = on.test.x @ w - 0.7
    signed = torch.where(on.test.y == 1, value, -value) / w.norm(dual)
    assert found["median"] == pytest.approx(float(signed.quantile(0.5)), abs=1e-6)
    assert found["p10"] == pytest.approx(float(signed.quantile(0.1)), abs=1e-6)
    assert found["margin_over_gradient"] == pytest.approx(float(signed.mean()), abs=1e-6)
    margins, gradients = margins_and_gradients(net, on.test)
    step = gradients.sign() if norm == "linf" else gradients / gradients.norm(dim=1, keepdim=True)
    moved = on.test.x - (margins / gradients.norm(dual, dim=1))[:, None] * step
    after, _ = margins_and_gradients(net, Split(moved, on.test.y))
    assert float(after.abs().max()) < 1e-5


def _view(net: nn.Module, on):  # type: ignore[no-untyped-def]
    return view(nn.Sequential(net), on)


def test_a_dead_network_has_no_distance() -> None:
    on = task(classes=2)
    assert readings("boundary_distance", _view(Linear2(torch.zeros(6), 1.0), on)) == {}


def test_scaling_all_logits_leaves_distances_and_not_margins() -> None:
    on = task()
    net = doubled(mlp(on))
    before = {name: readings(name, view(net, on)) for name in ("margins", "boundary_distance")}
    with torch.no_grad():
        for weight in (net[-1].weight, net[-1].bias):
            weight.mul_(10)
    after = {name: readings(name, view(net, on)) for name in ("margins", "boundary_distance")}
    assert after["margins"]["median"] == pytest.approx(10 * before["margins"]["median"])
    for name in ("p10", "median", "margin_over_gradient"):
        same = after["boundary_distance"][name]
        assert same == pytest.approx(before["boundary_distance"][name])


def test_normalised_margins_layer_by_layer_by_hand() -> None:
    """Each layer's input as a leaf of its own, an example at a time."""
    on = task()
    net = doubled(mlp(on, hidden=(7, 5)))
    found = readings("normalized_margins", view(net, on))
    starts = [i for i, module in enumerate(net) if isinstance(module, nn.Linear)]
    for number, start in enumerate(starts, 1):
        before, after = net[:start], net[start:]
        distances, entering = [], []
        for x, y in zip(on.train.x, on.train.y, strict=True):
            h = before(x[None]).detach().requires_grad_()
            lead = margin(after(h), y[None]).sum()
            (slope,) = torch.autograd.grad(lead, h)
            distances.append(float(lead.detach() / slope.norm()) if slope.any() else np.inf)
            entering.append(h.detach().flatten().numpy())
        spread = np.sqrt(np.var(entering, axis=0, ddof=1).sum())
        kept = np.array([d for d in distances if np.isfinite(d)]) / spread
        q1, median, q3 = np.quantile(kept, [0.25, 0.5, 0.75])
        table = {key: column[number - 1] for key, column in found["summary"]["columns"].items()}
        assert found[f"median/layer{number}"] == pytest.approx(median)
        assert table["quartile1"] == pytest.approx(q1)
        assert table["quartile3"] == pytest.approx(q3)
        assert table["lower fence"] == pytest.approx(max(kept.min(), q1 - 1.5 * (q3 - q1)))
        assert table["upper fence"] == pytest.approx(min(kept.max(), q3 + 1.5 * (q3 - q1)))


def test_normalised_margins_see_convolutions() -> None:
    on = task((2, 8, 8), count=40)
    found = readings("normalized_margins", view(cnn(on), on))
    assert [name for name in found if name.startswith("median")] == [
        f"median/layer{n}" for n in (1, 2, 3, 4)
    ]
