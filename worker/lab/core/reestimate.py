"""Batch normalisation's statistics, measured anew after weights were changed by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Norms = nn.modules.batchnorm._BatchNorm


@torch.no_grad()
def reestimate(model: nn.Module, x: Tensor, batch: int = 250) -> None:
    """Replace every running mean and variance by the plain average over batches of x (N, *shape).

    The network is left in the mode it was in; nothing happens without batch normalisation.
    """
    norms = [module for module in model.modules() if isinstance(module, Norms)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    modes = [norm.training for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over all batches
        norm.train()
    for part in torch.split(x, batch):
        model(part)
    for norm, momentum, mode in zip(norms, momenta, modes, strict=True):
        norm.momentum = momentum
        norm.train(mode)
