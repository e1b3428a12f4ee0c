"""A network's answers to many examples, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from worker.lab.core.point import Point, look
from worker.lab.core.task import Split

BATCH = {"cpu": 125, "cuda": 2000}
"""Small batches stay in a processor's cache."""


def parts(split: Split) -> list[Split]:
    """The examples in batches for passes that leave no trace."""
    size = BATCH[split.x.device.type]
    pairs = zip(torch.split(split.x, size), torch.split(split.y, size), strict=True)
    return [Split(x, y) for x, y in pairs]


@torch.no_grad()
def outputs(model: nn.Module, split: Split, weights: Mapping[str, Tensor] | None = None) -> Tensor:
    """The logits (N, K), at other `weights` (by name) if given, without autograd's tape."""
    moved = dict(weights or {})
    return torch.cat([look(model, Point(part.x, moved)) for part in parts(split)])


def accuracy(model: nn.Module, split: Split, weights: Mapping[str, Tensor] | None = None) -> float:
    """The share of right answers, as `outputs` gives them."""
    right = outputs(model, split, weights).argmax(1) == split.y
    return float(right.double().mean())


def entropy(logits: Tensor) -> Tensor:
    """Of each answer, in nats, (N,)."""
    log = logits.log_softmax(1)
    return -(log.exp() * log).sum(1)
