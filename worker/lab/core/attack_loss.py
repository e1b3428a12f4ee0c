"""What an attack climbs: per example, higher where the network errs more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["ce", "margin", "dlr"]


def ce(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """Cross-entropy (B,) with the labels, or minus that with a target class."""
    if target is None:
        return F.cross_entropy(logits, y, reduction="none")
    return -F.cross_entropy(logits, target, reduction="none")


def margin(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """max_{j≠y} z_j − z_y (B,), or z_t − z_y: above zero once an example is fooled; it never
    saturates."""
    own = logits.gather(1, y[:, None])[:, 0]
    if target is not None:
        return logits.gather(1, target[:, None])[:, 0] - own
    return logits.scatter(1, y[:, None], -torch.inf).amax(1) - own


def dlr(logits: Tensor, y: Tensor, target: Tensor | None = None) -> Tensor:
    """The difference of logits ratio (B,), blind to the logits' scale (arXiv:2003.01690).

    (max_{j≠y} z_j − z_y) / (z_π1 − z_π3), where π sorts the logits downwards, or with a target
    (z_t − z_y) / (z_π1 − (z_π3 + z_π4) / 2). Where there are too few classes for a π it is
    left out (derived): three classes use z_π3 for both, two use the margin.
    """
    if logits.shape[1] < 3:
        return margin(logits, y, target)
    top = logits.topk(min(4, logits.shape[1]), 1).values
    lower = top[:, 2] if target is None else top[:, 2:].mean(1)
    return margin(logits, y, target) / (top[:, 0] - lower + 1e-12)


LOSSES: dict[Loss, Callable[[Tensor, Tensor, Tensor | None], Tensor]] = {
    "ce": ce,
    "margin": margin,
    "dlr": dlr,
}
