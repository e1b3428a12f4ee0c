"""The protocol of an optimizer and its learning-rate schedule."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import nn
from torch.optim import Optimizer as TorchOptimizer

from worker.lab.core.registry import Spec


class Optimizer(Spec):
    """How weights move, and how the learning rate changes over the run."""

    kind: ClassVar[str] = "optimizer"
    scale_free: ClassVar[bool] = False
    """Whether its steps are the same however long the gradients are."""

    lr: Annotated[float, Field(gt=0, le=100)] = Field(0.1, description="learning rate at the start")
    schedule: Literal["constant", "cosine", "steps"] = Field(
        "constant",
        description="constant; cosine to zero; steps: times the drop factor, now and then",
    )
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1, title="Drop factor", description="steps: times this at each drop"
    )
    decay_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.5, 0.75],
        max_length=64,
        title="Drops at",
        description="steps: where, as fractions of the run",
    )

    def build(self, model: nn.Module) -> TorchOptimizer:
        raise NotImplementedError

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step (from 0) in a run of `steps`. Set by hand each step:
        torch's schedulers cost about 20 µs a step."""
        done = min(step / max(steps, 1), 1.0)
        if self.schedule == "cosine":
            return self.lr * 0.5 * (1 + math.cos(math.pi * done))
        if self.schedule == "steps":
            return self.lr * self.decay ** sum(done >= at for at in self.decay_at)
        return self.lr


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """The parameters that an optimizer moves."""
    return [weight for weight in model.parameters() if weight.requires_grad]
