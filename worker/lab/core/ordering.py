"""The variational ordering unit: a gate that learns how many of its groups are needed."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from worker.lab.core import downhill
from worker.lab.core.noisy import Noisy
from worker.lab.core.width import Gate, Width, shaped

OPEN = 3.0
"""Where b starts: β = 0.953."""


class Ordered(Gate):
    """In training, draws for each batch which groups are open; `b` has one number a gate."""

    tau = 2.0
    hard = True
    released = False

    def __init__(self, channels: int, groups: int, frozen: int, index: int, width: Width) -> None:
        super().__init__(channels, groups, frozen, index, width)
        self.b = nn.Parameter(torch.full((self.groups - self.frozen,), OPEN))

    def sampled(self, x: Tensor) -> Tensor:
        if not len(self.b):
            return x
        log_q = downhill.log_tail(self.b)
        z = downhill.sample(log_q.exp() if self.released else log_q, self.tau, self.hard)
        return x * shaped(self.spread(z), x)

    def chances(self) -> Tensor:
        """P(z_c = 1) of every channel, (C,)."""
        return self.spread(downhill.log_open(self.b).exp())

    def spread(self, z: Tensor) -> Tensor:
        """From one number a gate, (K,), to one a channel; the frozen groups have 1."""
        whole = torch.cat([z.new_ones(self.frozen), z])
        channel = torch.arange(self.channels, device=z.device)
        return whole[channel * self.groups // self.channels]


def ordered(model: nn.Module) -> Iterator[tuple[Noisy, Ordered | None]]:
    """Every layer with noise, and its unit if it has one."""
    layer: Noisy | None = None
    for module in model.modules():
        if isinstance(module, Noisy | Ordered):
            if layer is not None:
                unit = module if isinstance(module, Ordered) else None
                yield layer, unit
            layer = module if isinstance(module, Noisy) else None
    if layer is not None:
        yield layer, None
