"""Small networks and tasks for theorem tests, in double precision where exactness is the point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from worker.lab.core.model import Model, Normalize
from worker.lab.core.task import Split, Task


def task(shape: tuple[int, ...] = (6,), classes: int = 4, count: int = 48, seed: int = 0) -> Task:
    """Random inputs in [0, 1], labelled by the brightest of the first few: it can be learned."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(count, *shape, generator=generator)
    split = Split(x, x.flatten(1)[:, :classes].argmax(1))
    channels = shape[0]
    names = tuple(str(k) for k in range(classes))
    layout = "points" if len(shape) == 1 else "image"
    return Task("random", split, split, names, layout, (0.5,) * channels, (0.3,) * channels)


def mlp(
    on: Task, hidden: Sequence[int] = (16, 12), bias: bool = True, seed: int = 0
) -> nn.Sequential:
    torch.manual_seed(seed)
    return Model.of({"name": "mlp", "hidden": list(hidden), "bias": bias}).build(on)


def cnn(on: Task, seed: int = 0, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(seed)
    params = {"channels": [4, 6], "hidden": [10], "bias": bias}
    return Model.of({"name": "cnn", **params}).build(on)


def weighted(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)]


@torch.no_grad()
def shift(model: nn.Module, layer: int, factor: float, cumulative: bool = True) -> None:
    """W_l → aW_l and W_{l+1} → W_{l+1}/a. Biases by the cumulative product of factors up to their
    layer, which keeps the function; or, not cumulative, by their own layer's factor."""
    layers = weighted(model)
    layers[layer].weight.mul_(factor)
    layers[layer + 1].weight.div_(factor)
    if layers[layer].bias is not None:
        layers[layer].bias.mul_(factor)
    if not cumulative and layers[layer + 1].bias is not None:
        layers[layer + 1].bias.div_(factor)


def centred(on: Task, model: nn.Module) -> Tensor:
    """Inputs on both sides of the normalisation's mean."""
    generator = torch.Generator().manual_seed(9)
    dtype = next(model.parameters()).dtype
    return torch.rand(64, *on.shape, generator=generator).to(dtype)


def doubled(model: nn.Module) -> nn.Module:
    model.double()
    assert any(isinstance(module, Normalize) for module in model.modules())
    return model
