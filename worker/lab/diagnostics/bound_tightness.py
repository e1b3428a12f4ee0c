"""What WEISSI's bound promises, and what is measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class BoundTightness(Diagnostic):
    """The intrinsic norm's bound on the input gradient, and how much of it is used.

    ‖∇ₓ CE‖₂ ≤ ‖p − e_y‖₂ · C · ν for every example, with p the predicted probabilities, ν the
    intrinsic norm, and C what convolutions, pooling and normalisation add (derived here;
    C in core/layers.py). `gradient/bound` is the mean of the right side over the batch,
    `gradient/bound_max` the largest, `gradient/tightness` the measured mean over the bound's mean:
    at most 1, and small where the bound is loose.
    """

    title: ClassVar[str] = "Bound and tightness"
    paper: ClassVar[str] = "arXiv:2008.02965"
    invariant: ClassVar[bool | None] = True
    needs_input_gradient: ClassVar[bool] = True

    def measure(self, view: View) -> Iterator[Reading]:
        residual = view.logits.softmax(1).scatter_(1, view.y[:, None], -1.0, reduce="add")
        sizes = torch.linalg.vector_norm(residual, dim=1)
        reach = view.reach
        bound = reach * sizes.mean()
        yield "gradient/bound", bound
        yield "gradient/bound_max", reach * sizes.max()
        yield "gradient/tightness", view.mean_gradient / bound
