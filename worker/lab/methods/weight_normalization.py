"""Length and direction of each filter as parameters of their own."""

from __future__ import annotations

from typing import ClassVar

from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.task import Task


class WeightNormalization(Method):
    """Learn the length and the direction of each filter separately.

    w = g · v / ‖v‖₂ for the weights of every output of a linear layer or convolution; g and v are
    what the optimizer moves, ∇_g = ∇_w · v / ‖v‖ and ∇_v = (g / ‖v‖) (I − v vᵀ / ‖v‖²) ∇_w. It
    starts at v = w, g = ‖w‖, so the function at the start is that of the plain network; the
    paper's data-dependent start is left out.

    ∇_v is orthogonal to v, which therefore only grows, and the direction's effective learning rate
    falls as 1 / ‖v‖²: what weight rescaling and AdamP prevent for layers before batch
    normalisation happens here in every layer. Penalties on weights see w and act through it.

    Measured on MNIST (10,000 images, CNN, three epochs of SGD, cosine, two seeds; right answers
    with it, and without): at rate 0.02 97.21 and 97.05 %, without 97.52 and 97.44; at 0.1 97.71 and
    97.86, without 97.76 and 97.81; at 0.3 diverged and 97.65, without 72.78 and 10.28. On all
    images at 0.05 (one seed) 99.1, without 99.0. Inside the range of rates it changes little.
    """

    title: ClassVar[str] = "Weight normalization"
    paper: ClassVar[str] = "arXiv:1602.07868 Weight Normalization, section 2"
    invariant: ClassVar[bool | None] = True
    parts: ClassVar[bool] = True
    excludes: ClassVar[dict[str, str]] = {
        "weight_rescaling": "weights are computed from lengths and directions, not set"
    }

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        for module in Layers.of(model).modules:
            weight_norm(module)
        return model
