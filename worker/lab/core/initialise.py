"""The first weights of a deep network."""

from __future__ import annotations

import math

import torch
from torch import nn

from worker.lab.core.layers import Layers
from worker.lab.core.model import Residual


@torch.no_grad()
def he(network: nn.Module) -> None:
    """W ~ N(0, 2 / fan-in) and zero biases for convolutions, so that ReLU keeps the signal's size
    at any depth (He et al. 2015, eq. 10).

    A residual block adds its branch's variance to its shortcut's, which batch normalisation in the
    branch undoes. Without one, the last weight of each of B branches is divided by √B (derived
    here), so that the signal's variance grows by a bounded factor: at most (1 + 2/B)^B < e².
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                module.bias.zero_()
    blocks = [module for module in network.modules() if isinstance(module, Residual)]
    for block in blocks:
        if not any(isinstance(part, nn.BatchNorm2d) for part in block.branch.modules()):
            Layers.of(block.branch).modules[-1].weight.div_(math.sqrt(len(blocks)))
