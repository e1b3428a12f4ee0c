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


def look(model: nn.Module, point: Point) -> Tensor:
    """The logits (B, K) at a point. The model itself is called when no weight is moved:
    functional_call costs about 0.8 ms for 62 tensors on a CPU."""
    if not point.w:
        out: Tensor = model(point.x)
    else:
        out = functional_call(model, point.w, (point.x,))
    return out
