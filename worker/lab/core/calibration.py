"""Whether a network is as often right as it is sure.

Errors are of the whole set of examples: the mean of batches' errors is another, larger number.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from worker.contract.measurement import Table


@dataclass(frozen=True)
class Reliability:
    """Of every bin of confidence that holds examples: how many, how sure, how many right, (b,)."""

    count: Tensor
    confidence: Tensor
    right: Tensor

    @property
    def accuracy(self) -> Tensor:
        return self.right / self.count

    @property
    def columns(self) -> dict[str, list[float]]:
        """The bins as a table's columns."""
        parts = {"confidence": self.confidence, "accuracy": self.accuracy, "examples": self.count}
        return {name: values.tolist() for name, values in parts.items()}


def reliability(probabilities: Tensor, y: Tensor, bins: int = 15) -> Reliability:
    """Examples sorted into `bins` bins ((b−1)/bins, b/bins] by the largest of their probabilities
    (N, K); `confidence` is the mean of these in a bin, `right` counts right answers."""
    sure, answer = probabilities.double().cpu().max(1)
    place = (sure * bins).ceil().long().clamp(1, bins) - 1
    count = torch.bincount(place, minlength=bins)
    total = torch.bincount(place, sure, bins)
    right = torch.bincount(place, (answer == y.cpu()).double(), bins)
    held = count > 0
    return Reliability(count[held], total[held] / count[held], right[held])


def ece(probabilities: Tensor, y: Tensor, bins: int = 15) -> Tensor:
    """Expected calibration error of the whole set: Σ_b n_b/N · |accuracy_b − confidence_b|
    (Guo, Pleiss, Sun, Weinberger, 2017)."""
    found = reliability(probabilities, y, bins)
    gap = (found.accuracy - found.confidence).abs()
    return (found.count * gap).sum() / found.count.sum()


def nll(logits: Tensor, y: Tensor) -> Tensor:
    """Mean negative log-likelihood, in nats, from logits: a probability may underflow."""
    return F.cross_entropy(logits, y)


def brier(probabilities: Tensor, y: Tensor) -> Tensor:
    """Mean over examples of ‖p − e_y‖², summed over classes: between 0 and 2."""
    own = probabilities.gather(1, y[:, None])[:, 0]
    return (probabilities.square().sum(1) - 2 * own + 1).mean()


def tabulated(found: list[tuple[float, Reliability]]) -> Table:
    """Every bin of confidence that holds examples, of each width."""
    rows = {"width": [share for share, held in found for _ in held.count]}
    for name in ("confidence", "accuracy", "examples"):
        rows[name] = [value for _, held in found for value in held.columns[name]]
    return Table(columns={name: [*values] for name, values in rows.items()})
