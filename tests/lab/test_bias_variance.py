"""Bias and variance: exact sums, known cases, and every network at its own adversarial input."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.lab.nets import Linear2
from tests.lab.theory import doubled, mlp, task
from tests.lab.views import readings, view
from worker.lab.core.decompose import cross_entropy, squared


def answers(count: int, seed: int = 0, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    dice = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, 50, classes, generator=dice).double()
    return logits, torch.randint(classes, (50,), generator=dice)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_bias_and_variance_add_up_to_the_loss(count: int) -> None:
    logits, y = answers(count)
    p = logits.softmax(2)
    mean_loss = F.cross_entropy(logits.flatten(0, 1), y.repeat(count))
    found = cross_entropy(logits, y)
    assert float(found.loss) == pytest.approx(float(mean_loss), rel=1e-12)
    assert float(found.bias + found.variance) == pytest.approx(float(mean_loss), rel=1e-12)
    target = F.one_hot(y, 4)
    mean_square = (p - target).square().sum(2).mean()
    found = squared(logits, y)
    assert float(found.loss) == pytest.approx(float(mean_square), rel=1e-12)
    assert float(found.bias + found.variance) == pytest.approx(float(mean_square), rel=1e-12)


def test_cross_entropys_parts_are_what_they_are_called() -> None:
    """Bias −log π̄_y with π̄ ∝ exp mean log π, variance mean KL(π̄ ‖ π_m): the long way."""
    logits, y = answers(5)
    logs = logits.log_softmax(2)
    middle = logs.mean(0).exp()
    middle = middle / middle.sum(1, keepdim=True)
    divergence = (middle * (middle.log() - logs)).sum(2)
    found = cross_entropy(logits, y)
    own = middle.gather(1, y[:, None]).log()
    assert float(found.bias) == pytest.approx(-float(own.mean()), rel=1e-12)
    assert float(found.variance) == pytest.approx(float(divergence.mean()), rel=1e-10)


def test_squared_parts_are_unbiased() -> None:
    """Over many pairs of networks out of a population their means are the population's own."""
    logits, y = answers(400)
    p, target = logits.softmax(2), F.one_hot(y, 4)
    variance = float(p.var(0, correction=0).sum(1).mean()) * 400 / 399
    bias = float((p.mean(0) - target).square().sum(1).mean()) - variance / 400
    pairs = [squared(logits[2 * i : 2 * i + 2], y) for i in range(200)]
    spread = torch.stack([pair.variance for pair in pairs])
    assert float(spread.mean()) == pytest.approx(variance, abs=4 * float(spread.std()) / 200**0.5)
    biases = torch.stack([pair.bias for pair in pairs])
    assert float(biases.mean()) == pytest.approx(bias, abs=4 * float(biases.std()) / 200**0.5)


def test_equal_networks_have_no_variance_and_underflow_is_no_matter() -> None:
    logits, y = answers(1)
    for parted in (squared, cross_entropy):
        found = parted(logits.expand(3, -1, -1), y)
        assert float(found.variance) == pytest.approx(0, abs=1e-12)
    sure = torch.tensor([[[900.0, 0.0]], [[0.0, 900.0]]])
    found = cross_entropy(sure, torch.tensor([0]))
    assert float(found.loss) == pytest.approx(450)
    assert float(found.bias) == pytest.approx(0.6931, abs=1e-3)


def test_readings_are_of_this_network_and_its_peers() -> None:
    on = task(count=150)
    nets = [doubled(mlp(on, seed=seed)).eval() for seed in range(3)]
    found = readings("bias_variance", view(nets[0], on, peers=nets[1:]), eps=0.0)
    logits = torch.stack([net(on.test.x).detach() for net in nets])
    for name, parted in (("squared", squared), ("cross_entropy", cross_entropy)):
        parts = parted(logits, on.test.y)
        for inputs in ("clean", "adversarial"):  # nothing is possible with no budget
            assert found[f"{inputs}/{name}/loss"] == pytest.approx(float(parts.loss))
            assert found[f"{inputs}/{name}/bias"] == pytest.approx(float(parts.bias))
            assert found[f"{inputs}/{name}/variance"] == pytest.approx(float(parts.variance))
    assert readings("bias_variance", view(nets[0], on)) == {}


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_every_network_sees_its_own_adversarial_input(norm: str, dual: int) -> None:
    """On planes w·x + b the worst input of each net is known: the score against y grows by
    eps‖w‖_*, whatever the other net's weights."""
    on = task(classes=2, count=40)
    inside = 0.3 + 0.4 * on.test.x  # so that the box [0, 1] cuts nothing
    on = type(on)(**{**on.__dict__, "test": type(on.test)(inside, on.test.y)})
    first, second = torch.tensor([1.0, -2.0, 0.5, 1, 1, 3]), torch.tensor([-3.0, 1.0, 2, 0, 1, 1])
    nets = [Linear2(first, 0.2), Linear2(second, -0.4)]
    found = readings("bias_variance", view(nets[0], on, peers=nets[1:]), norm=norm, eps=0.2)
    sign = 2.0 * on.test.y - 1
    worst = []
    for net in nets:
        score = inside @ net.w.detach() + net.b - sign * 0.2 * net.w.detach().norm(dual)
        worst.append(torch.stack([torch.zeros_like(score), score], 1))
    parts = cross_entropy(torch.stack(worst), on.test.y)
    assert found["adversarial/cross_entropy/loss"] == pytest.approx(float(parts.loss), rel=1e-4)
    assert found["adversarial/cross_entropy/variance"] == pytest.approx(
        float(parts.variance), rel=1e-3
    )
    assert found["adversarial/cross_entropy/loss"] > found["clean/cross_entropy/loss"] + 0.1
