"""Spectral decoupling: the margins that theory gives, and the three conventions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.lab.theory import mlp, task
from worker.lab.core.errors import LabError
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.methods.spectral_decoupling import SpectralDecoupling


def penalty(
    logits: Tensor, strength: float, y: Tensor | None = None, targets: Sequence[float] = (0.0,)
) -> Tensor:
    """The method's own loss on given logits."""
    on = task()
    at = Point(on.train.x[: len(logits)])
    y = on.train.y[: len(logits)] if y is None else y
    step = Step(mlp(on), on, 0, 1, y, at, at, torch.Generator())
    step._logits = logits
    method = SpectralDecoupling(strength=strength, targets=list(targets))
    return method.data_loss(step)["logits"]


def trained(
    examples: int, classes: int, strength: float, targets: Sequence[float] = (0.0,), seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Logits z = Φθ of a linear model with more features than examples, and the labels."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(examples, 3 * examples, generator=generator).double()
    features[:, : examples // 2] *= 5  # some features are much stronger than others
    y = torch.arange(examples) % classes
    theta = torch.zeros(3 * examples, classes, dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [theta], max_iter=3000, tolerance_grad=1e-11, tolerance_change=0,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = features @ theta
        errors = F.cross_entropy(logits, y, reduction="none")
        loss = (errors + penalty(logits, strength, y, targets)).mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    return (features @ theta).detach(), y


@pytest.mark.parametrize(
    ("strength", "margin", "confidence"),
    [(0.001, 7.2261, 0.99350), (0.01, 5.2093, 0.95312), (0.1, 3.1323, 0.71810)],
)
def test_ten_classes_end_at_the_oracles_margin_whatever_the_features(
    strength: float, margin: float, confidence: float
) -> None:
    logits, y = trained(20, 10, strength)
    true = logits.gather(1, y[:, None])
    others = logits.scatter(1, y[:, None], torch.nan)
    gaps = (true - others)[~others.isnan()]
    assert float(gaps.min()) == pytest.approx(margin, abs=2e-4)
    assert float(gaps.max()) == pytest.approx(margin, abs=2e-4)
    p = logits.softmax(1).gather(1, y[:, None])
    assert float(p.mean()) == pytest.approx(confidence, abs=1e-5)
    assert torch.allclose(1 - p, strength * true, atol=1e-6)
    assert torch.allclose(logits.sum(1), torch.zeros(20).double(), atol=1e-5)


@pytest.mark.parametrize(
    ("paper", "margin"),
    [(0.001, 5.2452), (0.006, 3.7669), (0.01, 3.3593), (0.1, 1.6335), (1.0, 0.4011)],
)
def test_two_logits_at_twice_the_papers_strength_end_at_its_one_logit(
    paper: float, margin: float
) -> None:
    logits, y = trained(12, 2, 2 * paper)
    signed = (logits[:, 1] - logits[:, 0]) * (2 * y - 1)
    assert signed.tolist() == pytest.approx([margin] * 12, abs=2e-4)


def root(falling: Callable[[float], float]) -> float:
    """Where a falling function is 0, by bisection."""
    low, high = -100.0, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize("strength", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("targets", [(2.0,), (-1.0, 0.5, 4.0)])
def test_each_class_ends_at_the_margin_of_its_target(
    strength: float, targets: tuple[float, ...]
) -> None:
    logits, y = trained(12, 3, strength, targets)
    for row, label in zip(logits, y.tolist(), strict=True):
        target = targets[label % len(targets)]
        wanted = root(
            lambda m, t=target: 1 - 1 / (1 + 2 * math.exp(-m)) - strength * (m - t) * 2 / 3
        )
        gaps = [float(row[label] - row[other]) for other in range(3) if other != label]
        assert gaps == pytest.approx([wanted] * 2, abs=1e-4)


@pytest.mark.parametrize("paper", [0.01, 0.2])
def test_two_classes_with_targets_are_the_papers_one_logit_with_its_own(paper: float) -> None:
    """CelebA's 0.44 for class 0 and 2.5 for class 1, of (λ / 2) (ŷ − γ_c)²."""
    logits, y = trained(12, 2, 2 * paper, (-0.44, 2.5))
    slopes = {
        0: lambda u: -1 / (1 + math.exp(-u)) - paper * (u - 0.44),
        1: lambda u: 1 / (1 + math.exp(u)) - paper * (u - 2.5),
    }
    wanted = [root(slopes[label]) for label in y.tolist()]
    assert (logits[:, 1] - logits[:, 0]).tolist() == pytest.approx(wanted, abs=1e-4)


def test_targets_of_another_number_of_classes_are_refused() -> None:
    on = task(classes=4)
    for good in ([1.0], [1.0, 2.0, 3.0, 4.0]):
        SpectralDecoupling(targets=good).prepare(mlp(on), on)
    with pytest.raises(LabError, match="3 targets for 4 classes"):
        SpectralDecoupling(targets=[1.0, 2.0, 3.0]).prepare(mlp(on), on)


@pytest.mark.parametrize("classes", [2, 10])
def test_the_other_conventions_convert_as_the_card_says(classes: int) -> None:
    logits = torch.randn(6, classes, generator=torch.Generator().manual_seed(0)).double()
    domainbed = 0.1 * (logits**2).mean()
    assert float(penalty(logits, 2 * 0.1 / classes).mean()) == pytest.approx(float(domainbed))
    a = torch.randn(6, 1).double()
    symmetric = torch.cat([-a, a], 1)
    one = (2 * a[:, 0]) ** 2
    same: list[Callable[[float], tuple[float, Tensor]]] = [
        lambda c: (2 * c, c / 2 * one),
        lambda c: (4 * c, c * one),
    ]
    for convention in same:
        strength, wanted = convention(0.03)
        assert torch.allclose(penalty(symmetric, strength), wanted)
