"""Processes that train one network together: each takes its part of every batch.

Losses are means over the batch, so that the gradients of the parts, each divided by the whole
batch's size, add up to what one process would find, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from worker.contract.events import DEVICE_FAILED
from worker.lab.core.errors import LabError


@dataclass(frozen=True)
class Part:
    """Of a batch: its examples from `first` on in steps of `of`, of `whole` in all."""

    first: int
    of: int
    whole: int

    def cut(self, batch: Tensor) -> Tensor:
        return batch[self.first :: self.of]


class Group:
    """This process among `size`; the first, of rank 0, measures, tells and may stop them all."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.stopped = False
        """Whether all know that the first was asked to stop: they end at the same step."""
        self._wish = False

    def part(self, whole: int) -> Part:
        return Part(self.rank, self.size, whole)

    def asks(self, stop: Callable[[], bool]) -> bool:
        """The first process asks before every step; a wish is told with the step's gradients."""
        self._wish = stop()
        return self.stopped

    def join(
        self, weights: Sequence[nn.Parameter], terms: dict[str, Tensor | float], part: Part
    ) -> dict[str, Tensor | float]:
        """Add the parts' gradients up, in place; the terms, with batch means for the losses of
        examples. LabError(DEVICE_FAILED) where a process of the group is gone."""
        found = {name: loss for name, loss in terms.items() if isinstance(loss, Tensor)}
        parted = {name: loss.sum() / part.whole for name, loss in found.items() if loss.dim()}
        gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in weights]
        told = [*parted.values(), gradients[0].new_tensor(float(self._wish))]
        vector = torch.cat([*(one.reshape(-1) for one in gradients), torch.stack(told)])
        try:
            dist.all_reduce(vector)
        except RuntimeError as error:
            reason = "a process that shared the training is gone"
            raise LabError(DEVICE_FAILED, reason) from error
        sizes = [one.numel() for one in gradients]
        *pieces, ends = torch.split(vector, [*sizes, len(told)])
        for weight, piece in zip(weights, pieces, strict=True):
            weight.grad = piece.view_as(weight)
        *means, wish = ends.unbind()
        self.stopped = bool(wish)
        return {**terms, **dict(zip(parted, means, strict=True))}
