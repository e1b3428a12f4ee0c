"""What is told of many numbers: some quantiles, and a histogram."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.contract.measurement import Histogram

QUANTILES = {"p10": 0.1, "quartile1": 0.25, "median": 0.5, "quartile3": 0.75}


def quantiles(values: Tensor) -> dict[str, Tensor]:
    """The tenth percentile and the quartiles of values (N,), with linear interpolation."""
    points = torch.tensor(list(QUANTILES.values()), dtype=values.dtype, device=values.device)
    return dict(zip(QUANTILES, torch.quantile(values, points).unbind(), strict=True))


def histogram(values: Tensor, label: str, bins: int = 40) -> Histogram:
    """Counts of the finite ones among values (N,) in bins of equal width from least to largest."""
    found = values[values.isfinite()].double().cpu()
    counts, edges = torch.histogram(found, bins)
    return Histogram(edges=edges.tolist(), counts=counts.tolist(), label=label)
