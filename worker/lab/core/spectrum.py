"""Spectral norms of weight layers, a kernel being the matrix (out, in · height · width)."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.lab.core.layers import Layers


def spectral_norms(layers: Layers) -> Tensor:
    """‖Ŵ_l‖₂ of every layer (L,), batch normalisation folded in.

    The square root of the smaller Gram matrix's largest eigenvalue: exact, and far cheaper than a
    singular value decomposition.
    """
    with torch.no_grad():
        return torch.stack([_largest(weight.flatten(1)) for weight in layers.folded])


def _largest(matrix: Tensor) -> Tensor:
    gram = matrix @ matrix.mT if len(matrix) <= matrix.shape[1] else matrix.mT @ matrix
    found: Tensor = torch.linalg.eigvalsh(gram)[-1].clamp_min(0).sqrt()
    return found
