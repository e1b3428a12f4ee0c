"""A weight layer as the affine map it computes in evaluation, its batch normalisation folded in.

z ↦ Ŵz + b̂ with Ŵ = diag(s) W, b̂ = β + s (b − μ), s = γ / √(σ² + ε). Entries of W that move by ε
move those of Ŵ by |s_c| ε in output channel c. An output of a convolution reads one patch of the
input, zero where it is padded: such entries are not moved by anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, Unsteady, Weighted, slope


@dataclass(frozen=True)
class Affine:
    """Ŵ (out, in) or (out, in, k, k), b̂ (out,), and `gain` |s| (out,)."""

    module: Weighted
    weight: Tensor
    bias: Tensor
    gain: Tensor

    @classmethod
    def of(cls, module: Weighted, fold: BatchNorm | None) -> Affine:
        """Differentiable in W, b, γ and β; running statistics are constants. Raises
        LabError("bad_spec") for grouped and for not zero-padded convolutions, and for noise."""
        if isinstance(module, Unsteady):
            raise LabError("bad_spec", "no certificate is known for a layer with noise")
        if isinstance(module, nn.Conv2d) and (module.groups > 1 or module.padding_mode != "zeros"):
            raise LabError("bad_spec", "no certificate is known for this kind of convolution")
        weight = module.weight
        none = weight.new_zeros(len(weight))
        bias = none if module.bias is None else module.bias
        if fold is None:
            return cls(module, weight, bias, none + 1)
        scale, shift = channels(fold)
        folded = weight * scale.view(-1, *[1] * (weight.dim() - 1))
        return cls(module, folded, scale * bias + shift, scale.abs())

    def __call__(self, z: Tensor) -> Tensor:
        return self.wide(self.bias) + self.apply(z, self.weight)

    def apply(self, z: Tensor, weight: Tensor) -> Tensor:
        """Another weight in the same place, without a bias."""
        if isinstance(self.module, nn.Linear):
            return F.linear(z, weight)
        conv = self.module
        return F.conv2d(z, weight, None, conv.stride, conv.padding, conv.dilation)

    def mass(self, z: Tensor) -> Tensor:
        """Σ|z| over what each output reads: (B, 1), or (B, 1, H, W) for a convolution."""
        ones = torch.ones_like(self.weight[:1, :1])
        return self.apply(z.abs().sum(1, keepdim=True), ones)

    def wide(self, channel: Tensor) -> Tensor:
        """(out,) as it is added to or multiplied with outputs."""
        return channel if isinstance(self.module, nn.Linear) else channel.view(-1, 1, 1)

    def steps(self, eps: float) -> Tensor:
        """How far an entry of Ŵ moves when those of W move by eps: (out, 1, …)."""
        return eps * self.gain.view(-1, *[1] * (self.weight.dim() - 1))

    @property
    def fan_in(self) -> int:
        return self.weight[0].numel()


def channels(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Batch normalisation in evaluation, as a factor and a shift of each channel (C,)."""
    scale = slope(norm)
    assert norm.running_mean is not None
    return scale, norm.bias - scale * norm.running_mean
