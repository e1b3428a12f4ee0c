"""The norm of all paths through the network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, chain, slope
from worker.lab.core.model import AvgPool, Normalize, Residual


class PathNorm(Diagnostic):
    """The l1 and l2 norm of all paths: the products of weights from inputs or biases to logits.

    l_p = (Σ over paths of |product of the weights along it|^p)^{1/p} = (Σ_k f_{|w|^p}(1)_k)^{1/p}:
    one pass of an input of ones through the network with every weight replaced by |w|^p. Batch
    normalisation is folded in with its running statistics, residual branches add up, and
    max-pooling is a sum, since each entry of a window is a path (with the maximum left in place,
    the value would be lower than the definition). Paths begin after the input's normalisation.
    Readings `diagnostic/path_norm/l1` and `l2`. Shifts of scale leave them as they are.
    """

    title: ClassVar[str] = "Path norm"
    paper: ClassVar[str] = "Neyshabur, Tomioka, Srebro, arXiv:1503.00036; arXiv:2310.01225"
    invariant: ClassVar[bool | None] = True

    def survey(self, view: View) -> Iterator[Reading]:
        ones = torch.ones(1, *view.task.shape, dtype=torch.float64, device=view.x.device)
        yield "diagnostic/path_norm/l1", paths(view.model, ones, 1).sum()
        yield "diagnostic/path_norm/l2", paths(view.model, ones, 2).sum().sqrt()


def paths(module: nn.Module, h: Tensor, p: int) -> Tensor:
    """f_{|w|^p} at h (1, *shape), in double precision: products of many weights get large."""
    for link, fold in chain(module):
        match link:
            case Residual():
                h = paths(link.branch, h, p) + paths(link.shortcut, h, p)
            case nn.Linear():
                h = F.linear(h, *_powers(link, fold, p))
            case nn.Conv2d() if link.padding_mode == "zeros":
                weight, bias = _powers(link, fold, p)
                sizes = (link.stride, link.padding, link.dilation, link.groups)
                h = F.conv2d(h, weight, bias, *sizes)  # type: ignore[arg-type]
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                factor, offset = _affine(link)
                form = (1, -1) + (1,) * (h.dim() - 2)
                h = h * factor.abs().pow(p).view(form) + offset.abs().pow(p).view(form)
            case nn.MaxPool2d() if link.dilation == 1:
                h = F.avg_pool2d(
                    h,
                    link.kernel_size,
                    link.stride,
                    link.padding,
                    ceil_mode=link.ceil_mode,
                    divisor_override=1,
                )
            case AvgPool():
                h = h.sum((2, 3)) / (h[0, 0].numel() ** p)
            case nn.Flatten():
                h = h.flatten(1)
            case nn.ReLU() | nn.Identity() | Normalize() | nn.Dropout():
                pass
            case _:
                raise LabError("bad_spec", f"no paths are known through {type(link).__name__}")
    return h


def _powers(
    layer: nn.Linear | nn.Conv2d, fold: BatchNorm | None, p: int
) -> tuple[Tensor, Tensor | None]:
    """|ŵ|^p and |b̂|^p, batch normalisation folded in."""
    weight = layer.weight.double()
    bias = None if layer.bias is None else layer.bias.double()
    if fold is not None:
        factor, offset = _affine(fold)
        weight = weight * factor.view(-1, *[1] * (weight.dim() - 1))
        bias = offset if bias is None else offset + factor * bias
    return weight.abs().pow(p), None if bias is None else bias.abs().pow(p)


def _affine(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """What batch normalisation multiplies by, and adds, in evaluation."""
    assert norm.running_mean is not None
    factor = slope(norm).double()
    return factor, norm.bias.double() - factor * norm.running_mean.double()
