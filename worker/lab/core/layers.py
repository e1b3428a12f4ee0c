"""A network's weight layers, their norms, and how much the whole can stretch a difference.

The intrinsic norm (derived here) is ν = Π_l ‖W_l‖_F. Between inputs and logits,
‖J_f(x)‖₂ ≤ C · ν (derived here), where C gathers one constant a module:

- Normalize: 1 / min std, the largest factor by which it scales a channel.
- Linear: 1, for the spectral norm is at most the Frobenius norm.
- Conv2d: an output row is K_mat · patch, so ‖conv‖² ≤ ‖K_mat‖² · (patches that hold one entry).
  Along one axis an entry at position i lies in the patches that start at i, i − 1, …, i − k + 1,
  of which those divisible by the stride s exist: ⌈k / s⌉ at most. So √(⌈k_h/s_h⌉ · ⌈k_w/s_w⌉),
  which is √(k_h k_w) at stride 1. Zero padding adds nothing; dilation is bounded by √(k_h k_w).
- MaxPool2d: each output picks one input, and each input is picked by ⌈k / s⌉ windows an axis at
  most: 1 where windows do not overlap.
- ReLU, Flatten: 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from worker.lab.core.errors import LabError
from worker.lab.core.model import Normalize

Pair = int | tuple[int, ...]


@dataclass(frozen=True)
class Layers:
    """The weight layers of a network in order: `layer1`, `layer2`, …"""

    modules: list[nn.Module]
    weights: list[Tensor]

    @classmethod
    def of(cls, model: nn.Module) -> Layers:
        """Found once: walking the modules costs more than the norms."""
        modules = list(model.modules())
        weights = [module.weight for module in modules if isinstance(module, nn.Linear | nn.Conv2d)]
        return cls(modules, weights)

    @property
    def names(self) -> list[str]:
        return [f"layer{number}" for number in range(1, len(self.weights) + 1)]

    def norms(self) -> Tensor:
        """‖W_l‖_F of every layer, (L,), without autograd's tape."""
        with torch.no_grad():
            return torch.stack(torch._foreach_norm(self.weights))

    @cached_property
    def constant(self) -> float:
        """C above. Raises LabError("bad_spec") for a module whose stretch is not known."""
        return math.prod(stretch(module) for module in self.modules)


def stretch(module: nn.Module) -> float:
    """By how much a module can stretch a difference, beside the norm of its weight."""
    match module:
        case Normalize():
            return 1 / float(module.std.min())
        case nn.Linear() | nn.ReLU() | nn.Flatten() | nn.Sequential():
            return 1.0
        case nn.Conv2d() if module.padding_mode == "zeros":
            strides = module.stride if set(module.dilation) == {1} else (1, 1)
            return _overlap(module.kernel_size, strides)
        case nn.MaxPool2d() if module.dilation == 1:
            return _overlap(module.kernel_size, module.stride)
    raise LabError("bad_spec", f"no bound is known for the layer {type(module).__name__}")


def _overlap(kernel: Pair, stride: Pair) -> float:
    """√ of the number of windows, over both axes, that one entry can lie in."""
    kernels = (kernel, kernel) if isinstance(kernel, int) else kernel
    strides = (stride, stride) if isinstance(stride, int) else stride
    return math.sqrt(math.prod(math.ceil(k / s) for k, s in zip(kernels, strides, strict=True)))
