"""What of the loss all trainings share, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core import decompose
from worker.lab.core.ascend import ascend
from worker.lab.core.balls import Ball
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import outputs, parts
from worker.lab.core.point import Point
from worker.lab.core.task import Split


class BiasVariance(Diagnostic):
    """Bias and variance of the loss over several trainings, on clean and on adversarial inputs.

    Over this network and its peers (M in all; nothing is measured without peers), trained with
    other seeds or on other data. Readings under `diagnostic/bias_variance/clean` and
    `…/adversarial`, on test examples: `squared/loss`, `/bias`, `/variance` of ‖π − e_y‖² (π the
    probabilities; both unbiased: variance M/(M−1) times the plain one, bias² = loss − variance,
    which noise can push below zero) and `cross_entropy/…` of −log π_y, with π̄ ∝ exp(mean log π):
    bias −log π̄_y, variance the mean of KL(π̄ ‖ π_m), in nats, biased as M is small. Loss = bias +
    variance exactly. Every network sees its own adversarial inputs: PGD from the clean input,
    `steps` steps of 3·eps/steps. A shift of scale within any of the networks changes nothing.

    Takes about 4 s of one core with one peer on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Bias and variance"
    paper: ClassVar[str] = "Yu, Yang, Dobriban, Steinhardt, Ma, arXiv:2103.09947"
    invariant: ClassVar[bool | None] = True
    looks: ClassVar[tuple[str, ...]] = ("steps*examples*6",)

    norm: Literal["linf", "l2"] = Field("linf", description="of the change of an input")
    eps: Annotated[float, Field(ge=0, le=1000)] = Field(0.1, description="budget in input units")
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(20, description="of PGD")
    examples: Annotated[int, Field(ge=1, le=100_000)] = Field(
        500, description="test examples that the loss is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        models = [view.model, *view.peers]
        if len(models) < 2:
            return
        split = view.task.test.head(self.examples)
        clean = torch.stack([outputs(model, split) for model in models])
        yield from _told("clean", clean, split.y)
        attacked = torch.stack([self._attacked(model, split) for model in models])
        yield from _told("adversarial", attacked, split.y)

    def _attacked(self, model: nn.Module, split: Split) -> Tensor:
        """A network's logits (N, K) at its own adversarial inputs."""
        found = [self._adversarial(model, part) for part in parts(split)]
        return outputs(model, Split(torch.cat(found), split.y))

    def _adversarial(self, model: nn.Module, part: Split) -> Tensor:
        def objective(point: Point) -> Tensor:
            return F.cross_entropy(model(point.x), part.y, reduction="none")

        ball = Ball(self.norm, self.eps)
        lr = 3 / self.steps
        with torch.enable_grad():
            found = ascend(objective, Point(part.x), inputs=ball, steps=self.steps, lr=lr)
        return found.x.detach()


def _told(inputs: str, logits: Tensor, y: Tensor) -> Iterator[Reading]:
    kinds = {"squared": decompose.squared, "cross_entropy": decompose.cross_entropy}
    for name, parted in kinds.items():
        found = parted(logits.double(), y)
        key = f"diagnostic/bias_variance/{inputs}/{name}"
        yield f"{key}/loss", found.loss
        yield f"{key}/bias", found.bias
        yield f"{key}/variance", found.variance
