"""Weight noise: how large it is, where it acts, and what it adds up to."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.lab.textbook import assert_same, batch, plainly, started, trained
from worker.lab.core.perturb import dice

CE = {"name": "cross_entropy"}


def drawn(**params: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Each moved tensor's own value and its noise."""
    run = started(CE, {"name": "weight_noise", **params})
    step, _, _ = run.look(*batch(run), ahead=True)
    own = dict(run.model.named_parameters())
    assert set(step.point.w) == {name for name, p in own.items() if p.dim() > 1}
    return {
        name: (own[name].detach(), (w - own[name]).detach()) for name, w in step.point.w.items()
    }


def test_gaussian_noise_has_its_standard_deviation() -> None:
    noise = torch.cat([n.flatten() for _, n in drawn(scale=0.3).values()])
    assert float(noise.mean()) == pytest.approx(0, abs=0.03)
    assert float(noise.std()) == pytest.approx(0.3, rel=0.06)
    assert float(noise.abs().max()) > 0.7


def test_uniform_noise_fills_its_width() -> None:
    noise = torch.cat([n.flatten() for _, n in drawn(scale=0.3, noise="uniform").values()])
    assert float(noise.std()) == pytest.approx(0.3 / 3**0.5, rel=0.06)
    assert 0.29 < float(noise.abs().max()) <= 0.3


def test_relative_noise_is_in_units_of_each_layer() -> None:
    for weight, noise in drawn(scale=0.3, relative=True).values():
        assert float(noise.norm() / weight.norm()) == pytest.approx(0.3, rel=0.15)


def test_the_step_is_taken_from_the_weights_with_the_gradient_at_the_noisy_ones() -> None:
    run = started(CE, {"name": "weight_noise", "scale": 0.2})
    run.generator.manual_seed(5)
    source = torch.Generator().manual_seed(5)

    def gradients(model: torch.nn.Module, x: Tensor, y: Tensor) -> None:
        clean = [parameter.detach().clone() for parameter in model.parameters()]
        with torch.no_grad():
            for p in model.parameters():
                if p.dim() > 1:
                    seed = int(torch.randint(2**62, (), generator=source))
                    own = torch.Generator().manual_seed(seed)
                    p.add_(0.2 * torch.empty_like(p).normal_(generator=own))
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for p, weight in zip(model.parameters(), clean, strict=True):
                p.copy_(weight)

    plain = plainly(run, gradients)
    assert_same(trained(run), plain)


def test_every_step_draws_anew_and_a_seed_repeats_it() -> None:
    run = started(CE, {"name": "weight_noise"})
    step, _, _ = run.look(*batch(run), ahead=True)
    draws = []
    for seed in (1, 1, 2):
        step.generator.manual_seed(seed)
        draws.append(torch.randn(4, generator=dice(step, torch.device("cpu"))))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_its_mean_is_the_loss_and_half_the_trace_of_the_hessian() -> None:
    """On a quadratic, exactly: E f(w + n) = f(w) + scale² / 2 · tr H."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(5, 5, generator=generator, dtype=torch.double)
    hessian, scale, count = root @ root.T, 0.3, 400_000
    noise = scale * torch.randn(count, 5, generator=generator, dtype=torch.double)
    mean = float((0.5 * (noise @ hessian * noise).sum(1)).mean())
    assert mean == pytest.approx(float(scale**2 / 2 * hessian.trace()), rel=0.01)
