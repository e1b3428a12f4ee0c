"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from worker.lab.core.optimizer import Optimizer, trainable


class AdamW(Optimizer):
    """Adam, with weight decay kept out of the adaptive step.

    w ← w − lr · (m̂ / (√v̂ + 1e−8) + weight_decay · w), biases included, as torch.optim.AdamW.
    """

    title: ClassVar[str] = "AdamW"
    paper: ClassVar[str] = "arXiv:1711.05101"
    scale_free: ClassVar[bool] = True

    lr: Annotated[float, Field(gt=0, le=100)] = Field(
        0.001, description="learning rate at the start"
    )
    beta1: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="of the mean gradient")
    beta2: Annotated[float, Field(ge=0, lt=1)] = Field(0.999, description="of its square")
    weight_decay: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="decoupled: multiplied by the learning rate only"
    )

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        betas = (self.beta1, self.beta2)
        return torch.optim.AdamW(
            trainable(model), self.lr, betas, weight_decay=self.weight_decay, fused=True
        )
