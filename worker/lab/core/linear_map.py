"""A weight layer as the linear map that it is, padding and stride included.

The kernel as a matrix is another map, of one patch: its spectral norm can be smaller or larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from worker.lab.core.lanczos import lanczos
from worker.lab.core.layers import Layers, Weighted

STEPS = 60
"""Of Lanczos: the largest singular value is then right to about 1e-6, from below."""


@dataclass(frozen=True)
class LinearMap:
    """What `layer` does to inputs (1, *shape), without its bias, for any weight of its form."""

    layer: Weighted
    shape: tuple[int, ...]

    def __call__(self, weight: Tensor, x: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return F.linear(x, weight)
        return F.conv2d(x, weight, None, *self._sizes)

    def transposed(self, weight: Tensor, y: Tensor) -> Tensor:
        if isinstance(self.layer, nn.Linear):
            return y @ weight
        x: Tensor = conv2d_input((1, *self.shape), weight, y, *self._sizes)  # type: ignore[no-untyped-call]
        return x

    @property
    def _sizes(self) -> tuple[Any, ...]:
        layer = self.layer
        assert isinstance(layer, nn.Conv2d)
        return layer.stride, layer.padding, layer.dilation, layer.groups

    def spectral_norm(self, weight: Tensor) -> Tensor:
        """The largest singular value of the whole map, by Lanczos steps on AᵀA."""

        def twice(v: Tensor) -> Tensor:
            y = self(weight, v.view(1, *self.shape))
            return self.transposed(weight, y).flatten()

        dice = torch.Generator().manual_seed(0)
        start = torch.randn(self.shape, generator=dice, dtype=torch.float64).flatten()
        values, _ = lanczos(twice, start.to(weight), STEPS)
        return values.max().clamp_min(0).sqrt()

    def row_norms(self, weight: Tensor) -> Tensor:
        """‖Aᵀ‖_{2,1}: the l2 norms of the matrix's rows, one an output, added up. A row at the
        border holds only what the padding leaves of the kernel."""
        ones = weight.new_ones(1, *self.shape)
        return self(weight.square(), ones).sqrt().sum()


@torch.no_grad()
def linear_maps(layers: Layers, x: Tensor) -> list[LinearMap]:
    """Every weight layer as a map of what enters it when the network looks at x (B, *shape)."""
    shapes: dict[int, tuple[int, ...]] = {}

    def note(place: int, module: nn.Module, inputs: tuple[Tensor]) -> None:
        shapes[place] = tuple(inputs[0].shape[1:])

    modules = list(enumerate(layers.modules))
    hooks = [module.register_forward_pre_hook(partial(note, place)) for place, module in modules]
    try:
        layers.model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return [LinearMap(module, shapes[place]) for place, module in modules]
