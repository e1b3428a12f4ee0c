"""One step of training from the same function at two places in weight space."""

from __future__ import annotations

import copy
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.measurement import Table, Value, number
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.shift import shift
from worker.lab.methods.lp import Lp
from worker.lab.methods.weissi import Weissi


class ShiftedStep(Probe):
    """A step of gradient descent from here and from shifted weights, penalty by penalty.

    The function is the same at both starts (see the probe `shift`), so what differs afterwards is
    the penalty's and the optimizer's doing. w ← w − lr ∇(CE + penalty), on the first `examples`
    training inputs, without momentum. `steps` is a table: start, penalty, the norms' product
    before and after, the cross-entropy after, the largest change of any logit on those inputs.
    """

    title: ClassVar[str] = "One step from shifted weights"
    paper: ClassVar[str] = "arXiv:2008.02965"

    log2: list[Annotated[float, Field(ge=-10, le=10)]] = Field(
        [], max_length=256, description="exponent of 2 for each layer; missing ones are 0"
    )
    lr: Annotated[float, Field(gt=0, le=10)] = Field(0.1, description="learning rate")
    weight_decay: Annotated[float, Field(ge=0, le=1)] = Field(
        0.001, description="λ of weight decay"
    )
    weissi: Annotated[float, Field(ge=0, le=10)] = Field(0.03, description="λ₁ of WEISSI, log form")
    examples: Annotated[int, Field(ge=1, le=1000)] = Field(128, description="of the batch")

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        count = len(Layers.of(subject.model).modules)
        asked = [2.0**exponent for exponent in self.log2[:count]]
        moved = shift(subject.model, [*asked, *[1.0] * (count - len(asked))]).model
        penalties: dict[str, Method | None] = {
            "none": None,
            "weight decay": Lp(strength=self.weight_decay),
            "WEISSI": Weissi(strength=self.weissi),
        }
        rows = [
            (start, name, *self._step(model, subject, penalty))
            for name, penalty in penalties.items()
            for start, model in (("original", subject.model), ("shifted", moved))
        ]
        names = ("start", "penalty", "norm before", "norm after", "loss after", "logit change")
        columns = zip(*rows, strict=True)
        return {
            "steps": Table(columns={n: list(c) for n, c in zip(names, columns, strict=True)}),
        }

    def _step(
        self, start: nn.Module, subject: Subject, penalty: Method | None
    ) -> tuple[float | str, ...]:
        batch = subject.task.train.head(self.examples)
        model = copy.deepcopy(start)
        with torch.enable_grad():
            before = model(batch.x)
            loss: Tensor = F.cross_entropy(before, batch.y)
            if penalty is not None:
                loss = loss + sum(penalty.weight_loss(model, subject.task).values())
            torch.autograd.backward(loss)
        norm = _intrinsic(model)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.grad is not None:
                    weight.sub_(weight.grad, alpha=self.lr)
            after = model(batch.x)
            found = (norm, _intrinsic(model), float(F.cross_entropy(after, batch.y)))
            change = float((after - before).abs().max())
        return tuple(number(value) for value in (*found, change))


def _intrinsic(model: nn.Module) -> float:
    layers = Layers.of(model)
    return float(layers.intrinsic(layers.norms()))
