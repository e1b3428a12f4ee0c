"""A trade between accuracy and answers that do not change nearby."""

from __future__ import annotations

import contextlib
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from worker.lab.core.ascend import ascend
from worker.lab.core.attack import evaluating
from worker.lab.core.balls import Ball, Norm
from worker.lab.core.method import Method
from worker.lab.core.point import Point, look
from worker.lab.core.step import Step

JITTER = 0.001
"""At x itself the divergence is least and its gradient zero: the climb starts beside it."""


class Trades(Method):
    """Cross-entropy on clean inputs, and beta times how far answers change nearby.

    CE(f(x), y) + beta · KL(f(x) ‖ f(x')), x' found by climbing the divergence from x + 0.001 ·
    N(0, 1) in the ball of radius eps about x, within [0, 1]; both answers are differentiated.

    It holds its own cross-entropy and stands in the place of `cross_entropy`. The authors take linf
    with 0.3, 40 steps of 0.01 and beta 1 on MNIST; 0.031, 10 steps of 0.007 and beta 6 on CIFAR-10.
    While x' is sought the network is in eval mode, as there: running statistics, so that x' of one
    example does not depend on the others. Batch normalisation then counts x and x' alike. x' is
    sought once a step: methods that move weights, `awp` above all, find it as it is.

    Measured on MNIST (10,000 images, MLP, SGD at 0.1, eps 0.1): clean accuracy and that under PGD
    at 0.1 are 95.9 % and 77 % at beta 1, 94.2 % and 77 % at beta 6, 95.6 % and 33 % without.
    """

    title: ClassVar[str] = "TRADES"
    paper: ClassVar[str] = "arXiv:1901.08573 Theoretically Principled Trade-off, equation 5"
    invariant: ClassVar[bool | None] = True
    passes: ClassVar[tuple[str, ...]] = ("steps", "1")
    learns: ClassVar[bool] = True
    excludes: ClassVar[dict[str, str]] = {"adversarial": "trades attacks its inputs by itself"}
    off: ClassVar[dict[str, object]] = {"beta": 0}

    beta: Annotated[float, Field(ge=0, le=1000)] = Field(
        1.0, description="what a change of the answer costs"
    )
    eps: Annotated[float, Field(ge=0, le=1000)] = Field(0.1, description="radius, in input units")
    norm: Norm = Field("linf", description="linf: the largest change; l2: the change's length")
    steps: Annotated[int, Field(ge=1, le=1000)] = Field(10, description="steps of the climb")
    step_size: Annotated[float, Field(gt=0, le=2)] = Field(
        0.25, description="length of a step, as a fraction of eps"
    )
    network: Literal["eval", "train"] = Field("eval", description="its mode while x' is sought")

    def data_loss(self, step: Step) -> dict[str, Tensor]:
        if self.name() not in step.memo:
            step.memo[self.name()] = self._sought(step)
        near = step.logits
        far = step.look(Point(step.memo[self.name()], step.point.w))
        return {
            "cross_entropy": F.cross_entropy(near, step.y, reduction="none"),
            "divergence": self.beta * _divergence(near.log_softmax(1), far),
        }

    def _sought(self, step: Step) -> Tensor:
        """x', (B, *shape)."""
        at = Point(step.point.x.detach(), step.point.w)
        jitter = torch.randn(at.x.shape, generator=step.generator).to(at.x)
        start = Point(at.x + JITTER * jitter, at.w)
        ball = Ball(self.norm, self.eps)
        with evaluating(step.model) if self.network == "eval" else contextlib.nullcontext():
            with torch.no_grad():
                near = look(step.model, at, ahead=True).log_softmax(1)

            def objective(point: Point) -> Tensor:
                return _divergence(near, look(step.model, point, ahead=True))

            found = ascend(
                objective, at, inputs=ball, steps=self.steps, lr=self.step_size, start=start
            )
        return found.x


def _divergence(log_p: Tensor, far: Tensor) -> Tensor:
    """KL(p ‖ softmax(far)), (B,)."""
    return (log_p.exp() * (log_p - far.log_softmax(1))).sum(1)
