"""Label smoothing: its formula, and where it ends."""

from __future__ import annotations

import math

import pytest
import torch

from tests.lab.theory import mlp, task
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.methods.label_smoothing import LabelSmoothing


def loss(logits: torch.Tensor, y: torch.Tensor, smoothing: float) -> torch.Tensor:
    on = task()
    at = Point(on.train.x[: len(y)])
    step = Step(mlp(on), on, 0, 1, y, at, at, torch.Generator())
    step._logits = logits
    return LabelSmoothing(smoothing=smoothing).data_loss(step)["cross_entropy"]


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_it_is_the_cross_entropy_with_softened_labels(smoothing: float) -> None:
    logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(0)).double()
    y = torch.tensor([0, 1, 2, 3, 0])
    wanted = []
    for row, label in zip(logits, y, strict=True):
        q = torch.full((4,), smoothing / 4, dtype=torch.double)
        q[label] += 1 - smoothing
        wanted.append(-(q * (row.exp() / row.exp().sum()).log()).sum())
    assert torch.allclose(loss(logits, y, smoothing), torch.stack(wanted), rtol=1e-12)


@pytest.mark.parametrize(("classes", "smoothing"), [(4, 0.1), (4, 0.5), (10, 0.1)])
def test_logits_end_at_the_cards_margin_and_the_loss_at_the_entropy(
    classes: int, smoothing: float
) -> None:
    logits = torch.zeros(1, classes, dtype=torch.double, requires_grad=True)
    y = torch.tensor([1])
    optimizer = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=0)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        value = loss(logits, y, smoothing).sum()
        value.backward()
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    margin = float((logits[0, 1] - logits[0, 0]).detach())
    assert margin == pytest.approx(math.log(1 + classes * (1 - smoothing) / smoothing), rel=1e-6)
    q = [smoothing / classes] * (classes - 1) + [1 - smoothing + smoothing / classes]
    entropy = -sum(share * math.log(share) for share in q)
    assert float(loss(logits, y, smoothing).detach()) == pytest.approx(entropy, rel=1e-9)
