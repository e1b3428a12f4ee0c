"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from worker.lab.core.optimizer import Optimizer, trainable


class Sgd(Optimizer):
    """Stochastic gradient descent with momentum.

    v ← momentum · v + g, w ← w − lr · v (Nesterov: w ← w − lr · (g + momentum · v)). It decays no
    weights by itself: the method `lp` does, where its loss shows as a curve.
    """

    title: ClassVar[str] = "SGD"
    paper: ClassVar[str] = "Polyak (1964); Sutskever et al. (ICML 2013)"

    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="0 is plain descent")
    nesterov: bool = Field(False, description="look ahead; without effect at momentum 0")

    def build(self, model: nn.Module) -> torch.optim.Optimizer:
        nesterov = self.nesterov and self.momentum > 0
        return torch.optim.SGD(
            trainable(model), self.lr, self.momentum, nesterov=nesterov, fused=True
        )
