"""Calibration against torchmetrics and against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from tests.lab.nets import digits, trained
from tests.lab.views import readings, view
from worker.lab.core.calibration import brier, ece, nll, reliability


def predictions(seed: int, count: int = 700, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    dice = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, classes, generator=dice)
    drawn = torch.multinomial(logits.softmax(1), 1, generator=dice)[:, 0]
    return logits, torch.where(torch.rand(count, generator=dice) < 0.9, drawn, 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bins", [1, 10, 15])
def test_ece_is_torchmetrics_own(seed: int, bins: int) -> None:
    logits, y = predictions(seed)
    p = logits.softmax(1)
    theirs = multiclass_calibration_error(p, y, num_classes=5, n_bins=bins, norm="l1")
    assert float(ece(p, y, bins)) == pytest.approx(float(theirs), abs=1e-6)


def test_ece_by_a_plain_loop_of_the_whole_set() -> None:
    logits, y = predictions(9)
    p = logits.softmax(1).numpy()
    sure, right = p.max(1), p.argmax(1) == y.numpy()
    total = 0.0
    for low, high in zip(np.arange(15) / 15, np.arange(1, 16) / 15, strict=True):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    assert float(ece(logits.softmax(1), y)) == pytest.approx(total, abs=1e-6)
    batches = [ece(logits.softmax(1)[i::7], y[i::7]) for i in range(7)]
    assert float(torch.stack(batches).mean()) > total + 0.02  # why it is no mean of batches'


def test_full_and_no_confidence_have_a_bin() -> None:
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = reliability(p, torch.tensor([0, 0, 0]), 2)
    assert found.count.tolist() == [1, 2]
    assert found.confidence.tolist() == [0.5, 1.0]
    assert found.accuracy.tolist() == [1.0, 0.5]
    assert float(ece(p, torch.tensor([0, 0, 0]), 2)) == pytest.approx(1 / 3 * 0.5 + 2 / 3 * 0.5)


def test_brier_and_nll_by_hand_and_where_probabilities_underflow() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    y = torch.tensor([0, 1])
    by_hand = (0.3**2 + 0.2**2 + 0.1**2 + 0.1**2 + 0.9**2 + 0.8**2) / 2
    assert float(brier(p, y)) == pytest.approx(by_hand)
    assert float(nll(p.log(), y)) == pytest.approx(-(math.log(0.7) + math.log(0.1)) / 2)
    assert float(nll(torch.tensor([[500.0, 0.0]]), torch.tensor([1]))) == pytest.approx(500)


def test_the_diagnostic_reads_the_whole_test_split() -> None:
    task = digits()
    found = readings("calibration", view(trained(), task, final=True))
    p = trained()(task.test.x).softmax(1).detach()
    assert found["ece"] == pytest.approx(float(ece(p, task.test.y)), abs=1e-6)
    right = p.argmax(1) == task.test.y
    assert found["confidence"] == pytest.approx(float(p.max(1).values.mean()), abs=1e-6)
    assert found["ece"] >= abs(float(right.float().mean()) - found["confidence"]) - 1e-6
    curve = found["reliability"]
    assert all(a <= b <= c for a, b, c in zip(curve["low"], curve["y"], curve["high"], strict=True))
