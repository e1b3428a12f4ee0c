"""The spectral norm penalty against a singular value decomposition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.lab.textbook import batch, started
from tests.lab.theory import cnn, doubled, mlp, task, weighted
from worker.lab.core.task import Task
from worker.lab.methods.spectral_norm import BUFFER, SpectralNorm


def nets() -> list[tuple[Task, nn.Module]]:
    plain, image = task(), task((1, 8, 8))
    return [(plain, doubled(mlp(plain))), (image, doubled(cnn(image)))]


def followed(method: SpectralNorm, model: nn.Module, on: Task, times: int) -> nn.Module:
    """Prepared, and with so many steps' worth of iterations."""
    run = started({"name": "cross_entropy"})
    step, _, _ = run.look(*batch(run), ahead=True)
    model = method.prepare(model, on)
    with torch.no_grad():
        for _ in range(times):
            method.project(model, step)
    return model


@pytest.mark.parametrize("net", [0, 1], ids=["mlp", "cnn"])
def test_value_and_gradient_are_those_of_the_decomposition(net: int) -> None:
    on, model = nets()[net]
    method = SpectralNorm(strength=0.7, iterations=100)
    model = followed(method, model, on, 40)
    weights = [layer.weight for layer in weighted(model)]
    loss = method.weight_loss(model, on)["spectral_norm"]
    found = torch.autograd.grad(loss, weights)
    total = 0.0
    for weight, gradient in zip(weights, found, strict=True):
        u, s, v = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
        total += 0.35 * float(s[0]) ** 2
        wanted = 0.7 * s[0] * torch.outer(u[:, 0], v[0])
        assert torch.allclose(gradient.flatten(1), wanted, rtol=0, atol=1e-8)
    assert float(loss.detach()) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("net", [0, 1], ids=["mlp", "cnn"])
def test_the_estimate_is_never_above_and_close_after_the_start(net: int) -> None:
    on, model = nets()[net]
    model = followed(SpectralNorm(), model, on, 0)
    found = float(SpectralNorm(strength=2).weight_loss(model, on)["spectral_norm"].detach())
    sizes = [torch.linalg.matrix_norm(w.weight.detach().flatten(1), 2) for w in weighted(model)]
    exact = float(torch.stack(sizes).square().sum())
    assert 0.99 * exact < found <= exact * (1 + 1e-12)


def test_one_iteration_a_step_follows_weights_that_move() -> None:
    """It lags, for the penalty itself brings the top singular values together."""
    run = started({"name": "cross_entropy"}, {"name": "spectral_norm", "strength": 0.01})
    for index in range(60):
        step, _ = run.gradients(*batch(run, index % 3))
        run.update(step)
    sizes = [torch.linalg.matrix_norm(w.weight.detach(), 2) for w in weighted(run.model)]
    exact = 0.005 * float(torch.stack(sizes).square().sum())
    _, _, terms = run.look(*batch(run), ahead=True)
    assert 0.85 * exact < float(terms["train/loss/spectral_norm"]) <= exact


def test_the_directions_are_in_the_checkpoint_and_a_look_leaves_them_alone() -> None:
    run = started({"name": "cross_entropy"}, {"name": "spectral_norm"})
    names = [name for name in run.model.state_dict() if name.endswith(BUFFER)]
    assert len(names) == len(weighted(run.model))
    before = {name: run.model.state_dict()[name].clone() for name in names}
    step, _ = run.gradients(*batch(run))
    assert all(torch.equal(run.model.state_dict()[name], before[name]) for name in names)
    run.update(step)
    assert not all(torch.equal(run.model.state_dict()[name], before[name]) for name in names)


def test_it_presses_on_the_largest_direction_only() -> None:
    on = task()
    model = followed(SpectralNorm(iterations=100), doubled(mlp(on, hidden=())), on, 40)
    (layer,) = weighted(model)
    before = torch.linalg.svdvals(layer.weight.detach())
    loss = SpectralNorm(strength=1).weight_loss(model, on)["spectral_norm"]
    (gradient,) = torch.autograd.grad(loss, layer.weight)
    after: Tensor = torch.linalg.svdvals(layer.weight.detach() - 0.01 * gradient)
    assert float(after[0]) == pytest.approx(0.99 * float(before[0]), rel=1e-9)
    assert torch.allclose(after[1:], before[1:], rtol=1e-9)
