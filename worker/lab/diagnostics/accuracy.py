"""How often the network is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.task import Split

BATCH = 125
"""Small batches stay in a processor's cache."""


class Accuracy(Diagnostic):
    """Share of right answers, on the training batch and on test data; test loss too.

    `train/accuracy` is of the batch, before its step; at the end it is of the first training
    examples, as many as there are test examples, as one batch would be too few to tell how far
    test data fall behind. `test/accuracy` and `test/loss` (mean cross-entropy in nats) are of the
    first `limit` test examples while training and of all of them at the end;
    `validation/accuracy` and `validation/loss` likewise, where data are held out.
    """

    title: ClassVar[str] = "Accuracy"
    invariant: ClassVar[bool | None] = True

    limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        500, description="test and validation examples while training; all at the end"
    )

    def measure(self, view: View) -> Iterator[Reading]:
        yield "train/accuracy", (view.logits.argmax(1) == view.y).mean(dtype=torch.float32)

    def survey(self, view: View) -> Iterator[Reading]:
        if view.final:
            learned = view.task.train.head(len(view.task.test))
            yield "train/accuracy", _judged(view.model, learned)[0]
        for name, split in (("test", view.task.test), ("validation", view.task.validation)):
            if split is not None:
                seen = split if view.final else split.head(self.limit)
                yield from zip(
                    (f"{name}/accuracy", f"{name}/loss"), _judged(view.model, seen), strict=True
                )


def _judged(model: nn.Module, split: Split) -> tuple[Tensor, Tensor]:
    """Share of right answers and mean cross-entropy."""
    right = loss = torch.zeros((), device=split.y.device)
    for x, y in zip(torch.split(split.x, BATCH), torch.split(split.y, BATCH), strict=True):
        logits = model(x)
        right = right + (logits.argmax(1) == y).sum()
        loss = loss + F.cross_entropy(logits, y, reduction="sum")
    return right / len(split), loss / len(split)
