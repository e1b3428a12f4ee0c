"""Corruptions are what their card says."""

from __future__ import annotations

import numpy
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.lab.nets import Linear2, digits, trained
from worker.lab.attacks.corruptions import LEVELS, Corruptions
from worker.lab.core.attack import Attacked
from worker.lab.core.errors import LabError


def corrupted(name: str, severity: float) -> tuple[torch.Tensor, Attacked]:
    data = digits().test.head(200)
    return data.x, Corruptions(corruption=name).run(trained(), data.x, data.y, eps=severity)


@pytest.mark.parametrize("severity", [1, 2, 3, 4, 5])
def test_noise_has_its_standard_deviation(severity):
    data = digits().test.head(200)
    gray = torch.full_like(data.x, 0.5)
    found = Corruptions().run(trained(), gray, data.y, eps=severity)
    noise = found.x - 0.5
    assert float(noise.std()) == pytest.approx(LEVELS["gaussian_noise"][severity], rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.003)


@pytest.mark.parametrize("severity", [1, 3, 5])
def test_blur_is_scipys(severity):
    x, found = corrupted("blur", severity)
    width = LEVELS["blur"][severity]
    for clean, blurred in zip(x[:5, 0], found.x[:5, 0], strict=True):
        peer = gaussian_filter(clean.double().numpy(), width, mode="nearest", truncate=4.0)
        assert blurred.numpy() == pytest.approx(numpy.clip(peer, 0, 1), abs=2e-3)


def test_contrast_keeps_the_mean_and_shrinks_the_rest():
    x, found = corrupted("contrast", 5)
    mean = x.mean((2, 3), keepdim=True)
    torch.testing.assert_close(found.x, (x - mean) * 0.15 + mean)


@pytest.mark.parametrize("name", LEVELS)
def test_between_severities_lies_what_is_between(name):
    for severity in (1, 2, 3, 4):
        x, below = corrupted(name, severity)
        between, above = (corrupted(name, severity + add)[1] for add in (0.5, 1))
        sizes = [float((found.x - x).norm()) for found in (below, between, above)]
        assert sizes == sorted(sizes)
        assert sizes[0] < sizes[2]


def test_the_worst_is_taken_example_by_example():
    found = [corrupted(name, 5)[1].fooled for name in LEVELS]
    worst = corrupted("worst", 5)[1]
    assert int(worst.fooled.sum()) >= max(int(f.sum()) for f in found)
    assert bool((worst.fooled | ~torch.stack(found[1:]).any(0)).all())


def test_points_have_noise_and_nothing_else():
    net = Linear2(torch.tensor([1.0, 0.0]), -0.5)
    x = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0.5).long()
    noisy = Corruptions().run(net, x, y, eps=3.0)
    assert not torch.equal(noisy.x, x)
    for name in ("blur", "contrast", "worst"):
        with pytest.raises(LabError) as error:
            Corruptions(corruption=name).run(net, x, y, eps=3.0)
        assert error.value.code == "bad_spec"
