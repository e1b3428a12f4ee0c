"""How well a score tells two kinds of examples apart."""

from __future__ import annotations

import torch
from torch import Tensor


def auroc(positive: Tensor, negative: Tensor) -> Tensor:
    """P(score of a positive > score of a negative) + ½ P(equal), from scores (P,) and (N,):
    the area under the curve of hit rate against false alarms."""
    scores = torch.cat([positive, negative]).double().cpu()
    _, place, count = torch.unique(scores, return_inverse=True, return_counts=True)
    # Equal scores share the mean of their ranks.
    rank = (count.cumsum(0).double() - (count - 1).double() / 2)[place]
    p, n = len(positive), len(negative)
    area: Tensor = (rank[:p].sum() - p * (p + 1) / 2) / (p * n)
    return area


def aupr(positive: Tensor, negative: Tensor) -> Tensor:
    """Average precision, Σ_t (recall_t − recall_{t−1}) precision_t over falling thresholds, from
    scores (P,) and (N,)."""
    scores = torch.cat([positive, negative]).double().cpu()
    levels, place = torch.unique(-scores, return_inverse=True)
    hits = torch.bincount(place[: len(positive)], minlength=len(levels)).double()
    taken = torch.bincount(place, minlength=len(levels)).double()
    precision = hits.cumsum(0) / taken.cumsum(0)
    return (hits * precision).sum() / len(positive)
