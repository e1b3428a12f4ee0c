"""Noisy weights, their divergence, and the Monte-Carlo mean that evaluation sees."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.lab.theory import cnn, mlp, task
from worker.lab.core.certify import Limits, certify
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.monte_carlo import Dice, MonteCarlo
from worker.lab.core.noisy import Noisy, add_noise, log_uniform, released
from worker.lab.core.ordering import Ordered, ordered
from worker.lab.core.slice import sliced
from worker.lab.core.task import Task
from worker.lab.core.width import at_width, gates

POINTS = task()
IMAGES = task((2, 8, 8))


def nested(on: Task = POINTS, **params: Any) -> nn.Module:
    model = cnn(on) if on.layout == "image" else mlp(on)
    return Method.of({"name": "bayesian_nested", **params}).prepare(model, on)


def losses(model: nn.Module, on: Task = POINTS, **params: Any) -> dict[str, float]:
    found = Method.of({"name": "bayesian_nested", **params}).weight_loss(model, on)
    return {name: float(loss.detach()) for name, loss in found.items()}


def test_the_released_fit_has_its_known_values() -> None:
    at = torch.tensor([-8.0, -3.0, -1.0, 0.0, 1.0])
    known = [-4.000, -1.475, -0.225, 0.333, 0.547]
    assert (-released(at, convolution=True)).tolist() == pytest.approx(known, abs=6e-4)
    at = torch.linspace(-8, 8, 3201)
    peaks = [float(at[released(at, kind).argmin()]) for kind in (True, False)]
    assert peaks == pytest.approx([1.03, 1.79], abs=0.01), "noise is pulled to a finite value"
    assert math.exp(peaks[0]) == pytest.approx(2.8, abs=0.02)


def test_the_log_uniform_fit_is_the_expectation_it_fits() -> None:
    """−KL = ½ log α − E log |1 + √α ε| up to a constant, by Monte-Carlo."""
    torch.manual_seed(0)
    eps = torch.randn(1_000_000, dtype=torch.float64)
    for log_alpha in (-6.0, -3.0, -1.0, 0.0, 1.0, 3.0):
        alpha = math.exp(log_alpha)
        exact = 0.5 * log_alpha - float((1 + math.sqrt(alpha) * eps).abs().log().mean())
        fit = -float(log_uniform(torch.tensor(log_alpha, dtype=torch.float64)))
        assert fit + 0.63576 == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("name", ["released_conv", "released_linear", "log_uniform"])
def test_closed_form_slopes_are_those_of_the_values(name: str) -> None:
    at = torch.linspace(-8, 8, 161, dtype=torch.float64).requires_grad_()

    def divergence(x: Tensor) -> Tensor:
        return log_uniform(x) if name == "log_uniform" else released(x, name.endswith("conv"))

    (slopes,) = torch.autograd.grad((divergence(at) * at.detach()).sum(), at)
    step = 1e-6
    differences = (divergence(at + step) - divergence(at - step)) / (2 * step)
    assert torch.allclose(slopes, (differences * at).detach(), atol=1e-8)


@pytest.mark.parametrize("build", ["linear", "conv"])
def test_outputs_have_the_moments_of_noisy_weights(build: str) -> None:
    torch.manual_seed(0)
    layer: nn.Linear | nn.Conv2d = nn.Linear(12, 3) if build == "linear" else nn.Conv2d(2, 3, 3)
    x = torch.rand(1, 12) if build == "linear" else torch.rand(1, 2, 5, 5)
    plain = layer(x).detach()
    drawn = torch.randn(8000, *layer.weight.shape) * layer.weight.detach().abs() * math.exp(-0.5)
    weights = layer.weight.detach() + drawn
    by_weights = torch.stack([_with(layer, weight, x) for weight in weights])
    add_noise(layer, -1.0, Dice(), 0)
    layer.train()
    with torch.no_grad():
        by_outputs = torch.stack([layer(x) for _ in range(8000)])
    for found in (by_weights, by_outputs):
        assert torch.allclose(found.mean(0), plain, atol=0.04)
    ratio = by_outputs.var(0) / by_weights.var(0)
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=0.12)
    assert torch.equal(layer.eval()(x), plain), "without a draw there is no noise"


@torch.no_grad()
def _with(layer: nn.Linear | nn.Conv2d, weight: Tensor, x: Tensor) -> Tensor:
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(x, weight, layer.bias)
    return nn.functional.conv2d(x, weight, layer.bias)


def test_evaluation_is_a_function_of_each_input_alone() -> None:
    model = nested(IMAGES, samples=3).eval()
    x, dice = IMAGES.train.x[:8], torch.get_rng_state()
    with torch.no_grad():
        whole = model(x)
        parts = torch.cat([model(x[:3]), model(x[3:])])
        assert torch.allclose(whole, parts, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), dice), "and never moves the dice of training"


@pytest.mark.parametrize("average", ["logits", "probabilities"])
def test_evaluation_is_the_mean_of_its_draws(average: str) -> None:
    one, many = (nested(samples=samples, average=average).eval() for samples in (1, 3))
    many.load_state_dict(one.state_dict())
    x = POINTS.train.x
    assert isinstance(many, MonteCarlo)
    with torch.no_grad():
        draws = torch.stack([many._one(x, draw) for draw in range(3)])
        assert not torch.allclose(draws[0], draws[1])
        if average == "logits":
            expected = draws.mean(0)
        else:
            expected = draws.softmax(2).mean(0).log()
            assert torch.allclose(many(x).softmax(1).sum(1), torch.ones(len(x)))
        assert torch.allclose(many(x), expected, atol=1e-6)
        assert torch.allclose(one(x).softmax(1), draws[0].softmax(1), atol=1e-6)


def test_without_samples_it_is_the_mean_network_at_any_width() -> None:
    model = nested(IMAGES, samples=0, groups=4, frozen=1).eval()
    with torch.no_grad():
        for share in (0.25, 0.5, 1.0):
            with at_width(model, share):
                small = sliced(model, share).eval()
                assert torch.allclose(model(IMAGES.train.x), small(IMAGES.train.x), atol=1e-5)
    half = nested(IMAGES, samples=0, groups=4, frozen=1, width=0.5).eval()
    half.load_state_dict(model.state_dict())
    small = sliced(model, 0.5).eval()
    with torch.no_grad():
        assert torch.allclose(half(IMAGES.train.x), small(IMAGES.train.x), atol=1e-5)


def test_masks_in_training_are_ordered_and_frozen_groups_stay() -> None:
    model = nested(groups=8, frozen=2).train()
    with torch.no_grad():
        for unit in gates(model):
            assert isinstance(unit, Ordered)
            unit.b.fill_(0.0)
    seen: list[Tensor] = []
    for unit in gates(model):
        unit.register_forward_hook(lambda _, x, out: seen.append((out != 0).any(0)))
    torch.manual_seed(0)
    for _ in range(50):
        model(torch.rand(200, 6))
    kept = [int(mask.sum()) for mask in seen[::2]]
    assert all(bool((mask.int().diff() <= 0).all()) for mask in seen)
    assert min(kept) == 4, "16 channels, 8 groups, 2 frozen"
    assert len(set(kept)) > 3


def test_the_divergence_by_hand() -> None:
    """One α for all weights of a layer, so that every sum is a product."""
    model = nested(groups=4, frozen=1)
    with torch.no_grad():
        for depth, (layer, unit) in enumerate(ordered(model)):
            layer.log_alpha.fill_(-1.0 - depth)
            if unit is not None:
                unit.b.copy_(torch.tensor([1.0, 0.0, 2.0]))
    beta = [1 / (1 + math.exp(-b)) for b in (1.0, 0.0, 2.0)]
    open_ = [1.0, beta[0], beta[0] * beta[1], beta[0] * beta[1] * beta[2]]
    kl = [[float(f(torch.tensor(-1.0 - d))) for d in range(3)] for f in (_linear, log_uniform)]
    sizes = [(16, 6), (12, 16), (4, 12)]
    channels = [sum(open_) * 4, sum(open_) * 3, 4]
    mean = sum(c * k for c, k in zip(channels, kl[0], strict=True))
    total = sum(c * k * n for c, k, (_, n) in zip(channels, kl[1], sizes, strict=True))
    chain, reached = 0.0, 1.0
    for chance in beta:
        chain += reached * chance * math.log(chance / 0.9)
        chain += reached * (1 - chance) * math.log((1 - chance) / 0.1)
        reached *= chance
    found = losses(model, prior=0.9, kl="as_released", kl_weight=2.0)
    assert found["weights"] == pytest.approx(2e-5 * mean, rel=1e-5)
    assert found["order"] == pytest.approx(2e-5 * 2 * chain, rel=1e-5)
    found = losses(model, prior=0.9, kl="elbo", kl_weight=0.5)
    assert found["weights"] == pytest.approx(0.5 / 48 * total, rel=1e-5)
    assert found["order"] == pytest.approx(0.5 / 48 * 2 * chain, rel=1e-5)


def _linear(log_alpha: Tensor) -> Tensor:
    return released(log_alpha, convolution=False)


def test_noise_stays_within_its_limits() -> None:
    model, method = nested(), Method.of({"name": "bayesian_nested"})
    layers = [module for module in model.modules() if isinstance(module, Noisy)]
    with torch.no_grad():
        layers[0].log_alpha.fill_(30.0)
        layers[1].log_alpha.fill_(-30.0)
        step: Any = None
        method.project(model, step)
    assert {float(layer.log_alpha.detach()[0, 0]) for layer in layers} == {8.0, -8.0, -1.0}


def test_layers_are_still_seen_and_the_released_choice_spares_the_first() -> None:
    model = nested(IMAGES)
    assert Layers.of(model).names == ["layer1", "layer2", "layer3", "layer4"]
    assert not Layers.of(model).steady
    assert [unit is not None for _, unit in ordered(model)] == [True, True, True, False]
    later = nested(IMAGES, gated="later_convolutions")
    assert [unit is not None for _, unit in ordered(later)] == [True, False, False]
    assert not isinstance(Layers.of(later).modules[0], Noisy)


def test_no_bound_and_no_certificate_is_claimed() -> None:
    for model in (nested().eval(), dropped(8).eval()):
        layers = Layers.of(model)
        assert float(layers.bound(layers.norms())) == math.inf
        with pytest.raises(LabError, match="no certificate"):
            certify(model, POINTS.train.x, POINTS.train.y, Limits.even(layers, 0.01))


def test_every_parameter_is_learned() -> None:
    torch.manual_seed(0)
    model = nested(groups=4, frozen=1).train()
    method = Method.of({"name": "bayesian_nested"})
    nn.functional.cross_entropy(model(POINTS.train.x), POINTS.train.y).backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert bool((weight.grad != 0).any()), name
    model.zero_grad()
    torch.stack(list(method.weight_loss(model, POINTS).values())).sum().backward()
    learned = [name.split(".")[-1] for name, p in model.named_parameters() if p.grad is not None]
    assert set(learned) == {"b", "log_alpha"}


def dropped(samples: int, rate: float = 0.5) -> nn.Module:
    method = Method.of({"name": "mc_dropout", "rate": rate, "samples": samples})
    return method.prepare(mlp(POINTS, (64, 32)), POINTS)


def test_dropout_keeps_the_mean_and_drops_by_chance() -> None:
    torch.manual_seed(0)
    model = dropped(8).train()
    x = torch.rand(400, 6)
    first = list(model.children())[:4]
    entering = nn.Sequential(*first)(x).detach()
    plain = nn.Sequential(*first[:3])(x).detach()
    kept = entering != 0
    assert float(kept.double().mean()) == pytest.approx(0.5, abs=0.02)
    assert torch.allclose(entering[kept], 2 * plain[kept])
    assert kept.double().mean(0).std() > 0, "each example has a draw of its own"


def test_dropout_in_evaluation_is_one_function() -> None:
    model, none, zero = dropped(8).eval(), dropped(0).eval(), dropped(8, rate=0.0).eval()
    x = POINTS.train.x
    with torch.no_grad():
        assert torch.equal(model(x), model(x))
        assert torch.allclose(model(x)[:5], model(x[:5]), atol=1e-6)
        assert not torch.allclose(model(x), none(x))
        assert torch.allclose(zero(x).softmax(1), none(x).softmax(1), atol=1e-6)
        plain = mlp(POINTS, (64, 32))
        assert torch.allclose(none(x), plain(x))
