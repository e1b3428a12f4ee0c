"""The directions of what enters a layer: its weights can do nothing in any other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.layers import Weighted
from worker.lab.core.outputs import parts
from worker.lab.core.task import Split

EPS = torch.finfo(torch.float64).eps
MOST = 2**24
"""Numbers held at a time."""


def rank(values: Tensor) -> int:
    """How many eigenvalues, in falling order, are more than rounding."""
    return int((values > len(values) * EPS * values[0]).sum())


def spectrum(
    model: nn.Module, module: Weighted, inputs: Split, centred: bool
) -> tuple[Tensor, Tensor]:
    """Eigenvalues (d,), falling, and eigenvectors (d, d) of the covariance of what enters a
    layer, or of its second moment where it is not centred."""
    d = module.weight[0].numel()
    count, origin, total = 0, None, torch.zeros(d, dtype=torch.float64, device=module.weight.device)
    square = torch.zeros(d, d, dtype=torch.float64, device=module.weight.device)

    def take(_: nn.Module, entering: tuple[Tensor, ...]) -> None:
        nonlocal count, origin
        (x,) = entering
        for few in torch.split(x, max(1, MOST // (x[0, 0].numel() * d))):
            rows = patches(module, few).double()
            if centred:  # about one of them, so that what never changes is exactly zero
                origin = rows[0] if origin is None else origin
                rows = rows - origin
            count += len(rows)
            total.add_(rows.sum(0))
            square.addmm_(rows.T, rows)

    handle = module.register_forward_pre_hook(take)
    try:
        for part in parts(inputs):
            model(part.x)
    finally:
        handle.remove()
    mean = total / count * centred
    moment = square / count - torch.outer(mean, mean)
    values, vectors = torch.linalg.eigh(moment)
    return values.flip(0).clamp_min(0), vectors.flip(1)


def patches(module: Weighted, x: Tensor) -> Tensor:
    """What one output sees of the inputs, a row each: (n, d)."""
    if isinstance(module, nn.Linear):
        return x.flatten(0, -2)
    sizes: Any = (module.kernel_size, module.dilation, module.padding, module.stride)
    return F.unfold(x, *sizes).transpose(1, 2).flatten(0, 1)
