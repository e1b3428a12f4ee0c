"""How often the network is right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch.nn import functional as F

from worker.lab.core.diagnostic import Diagnostic, Reading, View

BATCH = 125
"""Small batches stay in a processor's cache."""


class Accuracy(Diagnostic):
    """Share of right answers, on the training batch and on test data; test loss too.

    `train/accuracy` is of the batch, before its step. `test/accuracy` and `test/loss` (mean
    cross-entropy in nats) are of the first `limit` test examples while training and of all of them
    at the end.
    """

    title: ClassVar[str] = "Accuracy"
    invariant: ClassVar[bool | None] = True

    limit: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        500, description="test examples while training; all at the end"
    )

    def measure(self, view: View) -> Iterator[Reading]:
        yield "train/accuracy", (view.logits.argmax(1) == view.y).mean(dtype=torch.float32)

    def survey(self, view: View) -> Iterator[Reading]:
        test = view.task.test if view.final else view.task.test.head(self.limit)
        right = loss = torch.zeros((), device=test.y.device)
        for x, y in zip(torch.split(test.x, BATCH), torch.split(test.y, BATCH), strict=True):
            logits = view.model(x)
            right = right + (logits.argmax(1) == y).sum()
            loss = loss + F.cross_entropy(logits, y, reduction="sum")
        yield "test/accuracy", right / len(test)
        yield "test/loss", loss / len(test)
