"""Plain gradient descent on a network, its intrinsic norm noted at every step."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.measurement import Curve, number
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.task import Split, Task


@dataclass
class Walk:
    """A network on its way; `first` is the loss after its first step, and the logits' change."""

    start: str
    penalty: str
    method: Method | None
    model: nn.Module
    task: Task
    lr: float
    norms: list[float] = field(default_factory=list)
    first: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self.layers = Layers.of(self.model)
        self.weights: list[Tensor] = [w for w in self.model.parameters() if w.requires_grad]
        self._note()

    def step(self, batch: Split) -> None:
        with torch.enable_grad():
            logits = self.model(batch.x)
            loss: Tensor = F.cross_entropy(logits, batch.y)
            if self.method is not None:
                loss = loss + sum(self.method.weight_loss(self.model, self.task).values())
            found = torch.autograd.grad(loss, self.weights, materialize_grads=True)
        with torch.no_grad():
            torch._foreach_sub_(self.weights, list(found), alpha=self.lr)
            if len(self.norms) == 1:
                after = self.model(batch.x)
                change = (after - logits).abs().max()
                self.first = float(F.cross_entropy(after, batch.y)), float(change)
        self._note()

    def _note(self) -> None:
        self.norms.append(float(self.layers.intrinsic(self.layers.norms())))

    def curve(self) -> Curve:
        return Curve(
            x=list(range(len(self.norms))),
            y=[number(norm) for norm in self.norms],
            x_label="training step from here",
            y_label="intrinsic norm ∏‖W‖",
        )
