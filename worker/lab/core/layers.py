"""A network's weight layers, their norms, and how much the whole can stretch a difference.

A network is a tree: chains of modules, and residual blocks whose shortcut and branch are chains.
Batch normalisation right after a weight layer is folded into it (running statistics), so that
the norm is that of what the layer does: Ŵ_l = diag(γ / √(σ² + ε)) W_l.

The intrinsic norm (derived here) of a chain is ν = Π_l ‖Ŵ_l‖_F, and a residual block counts as
s + ν(branch), s being 1 for the identity and ν(shortcut) otherwise. Between inputs and logits,
‖J_f(x)‖₂ ≤ the same tree with one constant more a module (derived here):

- Normalize: 1 / min std, the largest factor by which it scales a channel.
- Linear: 1, for the spectral norm is at most the Frobenius norm.
- Conv2d: an output row is K_mat · patch, so ‖conv‖² ≤ ‖K_mat‖² · (patches that hold one entry).
  Along one axis an entry at position i lies in the patches that start at i, i − 1, …, i − k + 1,
  of which those divisible by the stride s exist: ⌈k / s⌉ at most. So √(⌈k_h/s_h⌉ · ⌈k_w/s_w⌉),
  which is √(k_h k_w) at stride 1. Zero padding adds nothing; dilation is bounded by √(k_h k_w).
- MaxPool2d: each output picks one input, and each input is picked by ⌈k / s⌉ windows an axis at
  most: 1 where windows do not overlap.
- BatchNorm that follows no weight layer (a loose one): max |γ| / √(σ² + ε).
- ReLU, Flatten, the mean over a channel's pixels: 1 at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest

import torch
from torch import Tensor, nn

from worker.lab.core.errors import LabError
from worker.lab.core.model import AvgPool, Normalize, Residual

Pair = int | tuple[int, ...]
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
Weighted = nn.Linear | nn.Conv2d
Factor = Callable[[nn.Module, bool], Tensor | float]
STEADY = (
    *(nn.Sequential, Residual, Normalize, nn.Linear, nn.Conv2d),
    *(nn.ReLU, nn.Flatten, nn.MaxPool2d, AvgPool, nn.Identity),
)


class Unsteady(nn.Module):
    """A module that does something else in training than in evaluation."""


@dataclass(frozen=True)
class Layers:
    """The weight layers of a network in the order of a forward pass, a residual block's branch
    before its shortcut: `layer1`, `layer2`, …

    `folds[l]` is the batch normalisation folded into layer l, if one follows it at once: such a
    layer's function does not change with the scale of its weight. `loose` are the others, `blocks`
    the residual blocks.
    """

    model: nn.Module
    modules: list[Weighted]
    folds: list[BatchNorm | None]
    loose: list[BatchNorm]
    blocks: list[Residual]

    @classmethod
    def of(cls, model: nn.Module) -> Layers:
        """Found once: walking the modules costs more than the norms."""
        links = list(_flat(model))
        pairs = [(link, fold) for link, fold in links if isinstance(link, Weighted)]
        loose = [link for link, _ in links if isinstance(link, BatchNorm)]
        blocks = [link for link, _ in links if isinstance(link, Residual)]
        modules, folds = [module for module, _ in pairs], [fold for _, fold in pairs]
        return cls(model, modules, folds, loose, blocks)

    @property
    def names(self) -> list[str]:
        return [f"layer{number}" for number in range(1, len(self.modules) + 1)]

    @property
    def weights(self) -> list[Tensor]:
        """W_l: what the optimizer moves, or is computed afresh from what it moves."""
        return [module.weight for module in self.modules]

    @property
    def folded(self) -> list[Tensor]:
        """Ŵ_l, differentiable in W_l and γ; the running variance is a constant."""
        pairs = zip(self.weights, self.folds, strict=True)
        return [weight if fold is None else _fold(weight, fold) for weight, fold in pairs]

    @cached_property
    def plain(self) -> bool:
        """Whether the network is one chain without batch normalisation."""
        return not (self.blocks or self.loose or any(self.folds))

    @cached_property
    def steady(self) -> bool:
        """Whether the network does the same in training as in evaluation."""
        return all(
            isinstance(found, STEADY) and not isinstance(found, Unsteady)
            for found in self.model.modules()
        )

    def norms(self) -> Tensor:
        """‖Ŵ_l‖_F of every layer, (L,), without autograd's tape."""
        with torch.no_grad():
            weights = self.weights if self.plain else self.folded
            return torch.stack(torch._foreach_norm(weights))

    def slopes(self) -> Tensor:
        """max |γ| / √(σ² + ε) of every loose batch normalisation, (M,), without the tape."""
        with torch.no_grad():
            found = [slope(norm).abs().max() for norm in self.loose]
            return torch.stack(found) if found else self.weights[0].new_zeros(0)

    def intrinsic(self, norms: Tensor) -> Tensor:
        """ν, from one norm a layer (L,): any norm, and differentiable in it."""
        if self.plain:
            return norms.prod()
        logs = iter(norms.log().unbind())

        def factor(link: nn.Module, inside: bool) -> Tensor | float:
            return next(logs) if isinstance(link, Weighted) else 0.0

        return _log(self.model, factor, norms.new_zeros(())).exp()

    def bound(self, norms: Tensor) -> Tensor:
        """What ‖J_f‖₂ cannot exceed, from any norm of each Ŵ_l that bounds its spectral norm."""
        if self.plain:
            return self.constant * norms.prod()
        return self.constant * self.log_reach(torch.cat([norms, self.slopes()]).log()).exp()

    def log_reach(self, logs: Tensor) -> Tensor:
        """log of the bound on ‖J_f‖₂ without `constant`, from the logarithms of L norms and then
        of M slopes, differentiable in them.

        The constants inside a residual block count: log(c_s s + c_P P) depends on their ratio.
        """
        if self.plain:
            return logs.sum()
        parts = logs.tensor_split([len(self.modules)])
        norms, loose = (iter(part.unbind()) for part in parts)

        def factor(link: nn.Module, inside: bool) -> Tensor | float:
            if isinstance(link, BatchNorm):
                return next(loose)
            constant = math.log(stretch(link)) if inside else 0.0
            return next(norms) + constant if isinstance(link, Weighted) else constant

        return _log(self.model, factor, logs.new_zeros(()))

    @cached_property
    def constant(self) -> float:
        """The product of all constants outside residual blocks; loose batch norms are not
        constant. Raises LabError("bad_spec") for a module whose stretch is not known."""
        links = (link for link, _ in chain(self.model))
        return math.prod(
            stretch(link) for link in links if not isinstance(link, Residual | BatchNorm)
        )


def stretch(module: nn.Module) -> float:
    """By how much a module can stretch a difference, beside the norm of its weight."""
    match module:
        case Unsteady() if not isinstance(module, nn.Identity):
            return math.inf  # no bound is known of what is random
        case Normalize():
            return 1 / float(module.std.min())
        case nn.Linear() | nn.ReLU() | nn.Flatten() | AvgPool() | nn.Identity():
            return 1.0
        case nn.Conv2d() if module.padding_mode == "zeros":
            strides = module.stride if set(module.dilation) == {1} else (1, 1)
            return _overlap(module.kernel_size, strides)
        case nn.MaxPool2d() if module.dilation == 1:
            return _overlap(module.kernel_size, module.stride)
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            return float(slope(module).abs().max())
    raise LabError("bad_spec", f"no bound is known for the layer {type(module).__name__}")


def slope(norm: BatchNorm) -> Tensor:
    """γ / √(σ² + ε), (C,), by the running variance."""
    return norm.weight / spread(norm)


def spread(norm: BatchNorm) -> Tensor:
    """√(σ² + ε), (C,), by the running variance."""
    assert norm.running_var is not None
    return (norm.running_var + norm.eps).sqrt()


def chain(module: nn.Module) -> Iterator[tuple[nn.Module, BatchNorm | None]]:
    """The links of a chain: leaves and residual blocks in order, each with the batch
    normalisation that is folded into it."""
    links = list(_links(module))
    skip = False
    for link, after in zip_longest(links, links[1:]):
        if skip:
            skip = False
            continue
        fold = after if isinstance(link, Weighted) and isinstance(after, BatchNorm) else None
        skip = fold is not None
        yield link, fold


def _links(module: nn.Module) -> Iterator[nn.Module]:
    if isinstance(module, nn.Sequential):
        for child in module:
            yield from _links(child)
    else:
        yield module


def _flat(module: nn.Module) -> Iterator[tuple[nn.Module, BatchNorm | None]]:
    """All links, each residual block followed by those inside it."""
    for link, fold in chain(module):
        yield link, fold
        if isinstance(link, Residual):
            yield from _flat(link.branch)
            yield from _flat(link.shortcut)


def _log(module: nn.Module, factor: Factor, zero: Tensor, inside: bool = False) -> Tensor:
    """The tree's product, as a logarithm: a deep network's overflows. Links are asked for their
    factor's logarithm in the order of `_flat`, and told whether they are inside a block."""
    total = zero
    for link, _ in chain(module):
        if isinstance(link, Residual):
            paths = (_log(path, factor, zero, True) for path in (link.branch, link.shortcut))
            total = total + torch.logaddexp(*paths)
        else:
            total = total + factor(link, inside)
    return total


def _fold(weight: Tensor, norm: BatchNorm) -> Tensor:
    return weight * slope(norm).view(-1, *[1] * (weight.dim() - 1))


def _overlap(kernel: Pair, stride: Pair) -> float:
    """√ of the number of windows, over both axes, that one entry can lie in."""
    kernels: Sequence[int] = (kernel, kernel) if isinstance(kernel, int) else kernel
    strides: Sequence[int] = (stride, stride) if isinstance(stride, int) else stride
    return math.sqrt(math.prod(math.ceil(k / s) for k, s in zip(kernels, strides, strict=True)))
