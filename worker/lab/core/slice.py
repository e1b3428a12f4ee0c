"""The smaller network inside a gated one: layers that lack the closed channels."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from worker.lab.core.layers import BatchNorm, Weighted
from worker.lab.core.model import Residual
from worker.lab.core.width import Gate
from worker.lab.core.width_norm import Norm, WidthNorm


class Size(NamedTuple):
    """Parameters, and multiply-adds for one example."""

    parameters: int
    macs: int


class _Kept(NamedTuple):
    """So many of all the features that flow; those kept come first."""

    some: int
    all: int

    def of(self, features: int) -> int:
        """Flattening multiplies both alike."""
        return features * self.some // self.all


def sliced(model: nn.Module, share: float) -> nn.Sequential:
    """A network of its own, without gates, that does what `model` does at a width in evaluation,
    sampling aside: weights that have noise are taken at their mean."""
    return _chain(model, _Kept(1, 1), share)[0]


@torch.no_grad()
def size(model: nn.Module, x: Tensor) -> Size:
    """Of a network; x is one example (1, *shape)."""
    macs = 0

    def count(layer: nn.Module, _: object, out: Tensor) -> None:
        nonlocal macs
        macs += out.numel() * layer.get_parameter("weight")[0].numel()

    weighted = [module for module in model.modules() if isinstance(module, Weighted)]
    handles = [module.register_forward_hook(count) for module in weighted]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return Size(sum(weight.numel() for weight in model.parameters()), macs)


def _chain(module: nn.Module, kept: _Kept, share: float) -> tuple[nn.Sequential, _Kept]:
    links, made = list(_links(module)), list[nn.Module]()
    for at, link in enumerate(links):
        if isinstance(link, Residual):
            branch, after = _chain(link.branch, kept, share)
            shortcut, beside = _chain(link.shortcut, kept, share)
            assert after == beside, "branch and shortcut have the same gates at their ends"
            made.append(Residual(branch, shortcut))
            kept = after
        elif isinstance(link, Weighted):
            leaving = _leaving(link, links[at + 1 : at + 3], share)
            made.append(_layer(link, kept.of(link.weight.shape[1]), leaving.some))
            kept = leaving
        elif isinstance(link, BatchNorm):
            own = link.own(share) if isinstance(link, WidthNorm) else link
            made.append(_norm(own, kept.of(link.num_features)))
        elif not isinstance(link, Gate):
            made.append(copy.deepcopy(link))
    return nn.Sequential(*made).train(module.training), kept


def _links(module: nn.Module) -> Iterator[nn.Module]:
    for child in module.children():
        if isinstance(child, nn.Sequential):
            yield from _links(child)
        else:
            yield child


def _leaving(link: Weighted, behind: list[nn.Module], share: float) -> _Kept:
    """What the gate behind a layer, or behind its batch normalisation, keeps of its outputs."""
    outputs = len(link.weight)
    if behind and isinstance(behind[0], BatchNorm):
        behind = behind[1:]
    found = behind[0] if behind else None
    return _Kept(found.kept(share) if isinstance(found, Gate) else outputs, outputs)


def _layer(link: Weighted, inputs: int, outputs: int) -> Weighted:
    made: Weighted
    bias = link.bias is not None  # made on no device, so that nothing draws its weights
    if isinstance(link, nn.Linear):
        made = nn.Linear(inputs, outputs, bias, device="meta")
    else:
        sizes = link.kernel_size, link.stride, link.padding, link.dilation
        made = nn.Conv2d(inputs, outputs, *sizes, bias=bias, device="meta")  # type: ignore[arg-type]
    made.weight = nn.Parameter(link.weight.detach()[:outputs, :inputs].clone())
    if link.bias is not None:
        made.bias = nn.Parameter(link.bias.detach()[:outputs].clone())
    return made


def _norm(norm: Norm, features: int) -> BatchNorm:
    kind = nn.BatchNorm1d if isinstance(norm, nn.BatchNorm1d) else nn.BatchNorm2d
    made = kind(features, norm.eps, norm.momentum).to(norm.weight)
    known = {key: norm.state_dict()[key] for key in made.state_dict()}
    made.load_state_dict(
        {k: value[:features] if value.dim() else value for k, value in known.items()}
    )
    return made.to(norm.weight)
