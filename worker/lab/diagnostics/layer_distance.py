"""How far training moved each layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class LayerDistance(Diagnostic):
    """How far each layer's weights lie from where training began.

    `diagnostic/layer_distance/absolute/layer1`, …: ‖W_l − W_l(0)‖_F, biases left out, and
    `relative/layer1`, …: the same over ‖W_l(0)‖_F. Wang & Yang report that the last layers'
    distance goes with the generalization gap. A quick test for this project (digits, five-layer
    MLPs, seven shares of label noise) found the early layers' distance to follow the gap best: take
    it as a question. Shifts of scale change it: compare like with like.
    """

    title: ClassVar[str] = "Distance from initialisation"
    paper: ClassVar[str] = "Wang & Yang, arXiv:2201.11939 (distance derived here)"
    invariant: ClassVar[bool | None] = False

    def measure(self, view: View) -> Iterator[Reading]:
        start = view.initial_weights
        moved = torch._foreach_norm(torch._foreach_sub(view.layers.weights, start))
        scale = torch._foreach_norm(start)
        for name, distance, size in zip(view.layers.names, moved, scale, strict=True):
            yield f"diagnostic/layer_distance/absolute/{name}", distance
            yield f"diagnostic/layer_distance/relative/{name}", distance / size
