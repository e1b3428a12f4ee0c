"""The loss that every classifier here starts from."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from worker.lab.core.method import Method
from worker.lab.core.step import Step


class CrossEntropy(Method):
    """Softmax cross-entropy with the true class.

    −log p_y, in nats, with p = softmax(f(x)), averaged over the batch.
    """

    title: ClassVar[str] = "Cross-entropy"
    invariant: ClassVar[bool | None] = True
    parts: ClassVar[bool] = True
    cross_entropy: ClassVar[bool] = True
    learns: ClassVar[bool] = True

    def data_loss(self, step: Step) -> dict[str, Tensor]:
        return {"cross_entropy": F.cross_entropy(step.logits, step.y, reduction="none")}
