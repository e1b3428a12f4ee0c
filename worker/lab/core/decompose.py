"""Bias and variance of a loss over networks that differ by their training (arXiv:2103.09947)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Parts:
    """Means over examples: loss = bias + variance."""

    loss: Tensor
    bias: Tensor
    variance: Tensor


def squared(logits: Tensor, y: Tensor) -> Parts:
    """Of ‖π_m − e_y‖² summed over classes, from logits (M, N, K) with M ≥ 2, both unbiased.

    With π̄ the mean over networks, variance = M/(M−1) · [mean_m ‖π_m‖² − ‖π̄‖²] and
    bias² = loss − variance, which can be below zero where few networks leave much noise.
    """
    p = logits.softmax(2)
    count = len(p)
    mean = p.mean(0)
    spread = p.square().sum(2).mean(0) - mean.square().sum(1)
    variance = spread.mean() * count / (count - 1)
    own = p.gather(2, y.expand(count, -1)[..., None])[..., 0]
    loss = (p.square().sum(2) - 2 * own + 1).mean()
    return Parts(loss, loss - variance, variance)


def cross_entropy(logits: Tensor, y: Tensor) -> Parts:
    """Of −log π_m[y], from logits (M, N, K).

    With π̄ ∝ exp(mean_m log π_m): bias = −log π̄[y], variance = mean_m KL(π̄ ‖ π_m)
    = −log Σ_k exp(mean_m log π_m[k]), and their sum is exactly the mean cross-entropy (derived).
    """
    mean = logits.log_softmax(2).mean(0)
    own = mean.gather(1, y[:, None])[:, 0]
    size = torch.logsumexp(mean, 1)
    return Parts(-own.mean(), (size - own).mean(), -size.mean())
