"""Gradient ratios and tangent-kernel responses, by hand and on moons pulled apart."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.lab.nets import Linear2
from tests.lab.theory import doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.dataset import Dataset
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.task import Task
from worker.lab.diagnostics.starvation_responses import tangent_kernel


def plane(count: int = 60) -> Task:
    return task((2,), classes=2, count=count)


def test_the_ratio_of_a_plane_is_that_of_its_slopes() -> None:
    found = readings("gradient_ratio", view(Linear2(torch.tensor([4.0, -1.0]), 0.3), plane()))
    assert found == pytest.approx({"x1": 4, "x2": 1, "ratio": 0.25})


def test_the_ratio_of_a_net_by_examples() -> None:
    on, total = plane(), torch.zeros(2).double()
    net = doubled(mlp(on))
    for x in on.train.x:
        leaf = x[None].double().requires_grad_()
        f = net(leaf)
        total += torch.autograd.grad(f[0, 1] - f[0, 0], leaf)[0][0].abs()
    found = readings("gradient_ratio", view(net, on))
    assert found["ratio"] == pytest.approx(float(total[1] / total[0]), rel=1e-6)


def test_they_are_for_two_inputs_and_two_classes() -> None:
    ratio, responses = (
        Diagnostic.of({"name": name}) for name in ("gradient_ratio", "starvation_responses")
    )
    assert ratio.applies(plane())
    assert not ratio.applies(task((3,), classes=2))
    assert responses.applies(task((3,), classes=2))
    assert not responses.applies(task((3,), classes=3))


def jacobian(net: nn.Module, x: Tensor) -> Tensor:
    """One backward pass an example."""
    rows = []
    for one in x:
        f = net(one[None])
        slopes = torch.autograd.grad(f[0, 1] - f[0, 0], list(net.parameters()))
        rows.append(torch.cat([slope.flatten() for slope in slopes]))
    return torch.stack(rows)


def test_the_kernel_and_the_responses_are_those_of_the_dense_jacobian() -> None:
    on = plane(40)
    start, now = doubled(mlp(on, seed=0)), doubled(mlp(on, seed=1))
    rows = jacobian(start, on.train.x)
    initial = {name: w.detach() for name, w in start.named_parameters()}
    kernel = tangent_kernel(now, initial, on.train.x)
    assert torch.allclose(kernel, rows @ rows.T, rtol=1e-9)
    found = readings("starvation_responses", view(now, on, initial=initial), examples=40)
    u = torch.linalg.svd(rows, full_matrices=False).U
    with torch.no_grad():
        f = now(on.train.x)
    z = (u.T @ (f[:, 1] - f[:, 0])).abs().tolist()
    assert [found[f"z{k}"] for k in range(1, 9)] == pytest.approx(z[:8], rel=1e-6)
    assert found["all"]["x"] == list(range(1, 41))
    whole = sum(value**2 for value in found["all"]["y"])
    assert whole == pytest.approx(float((f[:, 1] - f[:, 0]).square().sum()))


def test_a_gradient_step_moves_the_responses_by_their_eigenvalues() -> None:
    """To first order Δf = −η K g, so Uᵀ Δf = −η S Uᵀ g: strong features move first."""
    on = plane(30)
    net = doubled(mlp(on, hidden=(200,)))
    names = dict(net.named_parameters())
    initial = {name: w.detach().clone() for name, w in names.items()}
    f = net(on.train.x)
    before = (f[:, 1] - f[:, 0]).detach()
    sign = 2.0 * on.train.y - 1
    slopes = torch.autograd.grad(
        F.softplus(-sign * (f[:, 1] - f[:, 0])).sum(), list(names.values())
    )
    rate = 1e-6
    moved = {n: w - rate * g for (n, w), g in zip(initial.items(), slopes, strict=True)}
    after = functional_call(net, moved, (on.train.x,)).detach()
    kernel = tangent_kernel(net, initial, on.train.x)
    values, u = torch.linalg.eigh(kernel)
    change = u.T @ ((after[:, 1] - after[:, 0]) - before)
    push = u.T @ (sign * torch.sigmoid(-sign * before))
    assert torch.allclose(change[-5:], rate * (values * push)[-5:], rtol=1e-3)


def test_a_net_on_separable_moons_starves_one_input() -> None:
    """In this data set the gap between the moons lies along one axis; one feature is enough."""
    on = Dataset.of({"name": "moons_margin", "examples": 300}).load(None)
    net = mlp(on, hidden=(100,))
    at = view(net, on, initial={n: w.detach().clone() for n, w in net.named_parameters()})
    start = readings("gradient_ratio", at)["ratio"]
    optimizer = torch.optim.SGD(net.parameters(), 0.1, 0.9)
    for _ in range(400):
        optimizer.zero_grad()
        F.cross_entropy(net(on.train.x), on.train.y).backward()
        optimizer.step()
    found = readings("gradient_ratio", at)["ratio"]
    assert min(found, 1 / found) < 0.5 * min(start, 1 / start)
    z = readings("starvation_responses", at)
    assert z["z2"] > 10 * max(z[f"z{k}"] for k in range(5, 9))
