"""Losses on how the network's answer depends on its inputs, by differentiating twice."""

from __future__ import annotations

from torch import Tensor

from worker.lab.core.point import Point, look
from worker.lab.core.step import Step


def sensitive(step: Step) -> Point:
    """The step's point with inputs to differentiate by, so that one forward pass serves all."""
    return Point(step.point.x.detach().requires_grad_(), step.point.w)


def sensed(step: Step) -> tuple[Tensor, Tensor]:
    """Inputs x, and logits (B, K) there with a graph back to x.

    The step's own where its inputs can be differentiated by; else of a pass beside it, which
    leaves the statistics of batch normalisation alone.
    """
    if step.point.x.requires_grad:
        return step.point.x, step.logits
    point = sensitive(step)
    return point.x, look(step.model, point, ahead=True)
