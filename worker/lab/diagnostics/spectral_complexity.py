"""The norm of spectral margin bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.layers import slope
from worker.lab.core.linear_map import linear_maps


class SpectralComplexity(Diagnostic):
    """The spectral complexity of margin bounds, measured from zero and from where training began.

    R_M = Π_l ‖W_l‖₂ · ( Σ_l (‖(W_l − M_l)ᵀ‖_{2,1} / ‖W_l‖₂)^{2/3} )^{3/2}, where ‖Aᵀ‖_{2,1} adds up
    the l2 norms of A's rows. This form is the one commonly cited, not checked against the paper's
    text. The bound on the generalization gap grows with ‖X‖_F R_M / (γ m). Convolutions are the
    whole linear maps that they are on inputs of this size, not their kernels as matrices; batch
    normalisation right after a layer is folded in, that of now into M too; in residual blocks Π
    becomes the tree of core/layers.py (derived here). Readings under
    `diagnostic/spectral_complexity`: `origin` (M = 0), `initial` (M = W(0)) and `product`, Π
    ‖W_l‖₂. Shifts of scale change `initial` alone.
    """

    title: ClassVar[str] = "Spectral complexity"
    paper: ClassVar[str] = "Bartlett, Foster, Telgarsky, arXiv:1706.08498"
    invariant: ClassVar[bool | None] = False
    unmoved: ClassVar[tuple[str, ...]] = (
        "diagnostic/spectral_complexity/origin",
        "diagnostic/spectral_complexity/product",
    )

    def survey(self, view: View) -> Iterator[Reading]:
        maps = linear_maps(view.layers, view.task.test.x[:1])
        weights, start = _folded(view, view.layers.weights), _folded(view, view.initial_weights)
        pairs = list(zip(maps, weights, strict=True))
        norms = torch.stack([map_.spectral_norm(weight) for map_, weight in pairs])
        moved = [(map_, now - then) for (map_, now), then in zip(pairs, start, strict=True)]
        product = view.layers.intrinsic(norms)
        for name, each in (("origin", pairs), ("initial", moved)):
            rows = torch.stack([map_.row_norms(weight) for map_, weight in each])
            yield f"diagnostic/spectral_complexity/{name}", product * _correction(rows, norms)
        yield "diagnostic/spectral_complexity/product", product


def _folded(view: View, weights: list[Tensor]) -> list[Tensor]:
    """In double precision, each times what batch normalisation right after it multiplies by."""
    found = []
    for weight, fold in zip(weights, view.layers.folds, strict=True):
        factor = torch.ones(len(weight)) if fold is None else slope(fold)
        wide = factor.view(-1, *[1] * (weight.dim() - 1))
        found.append(weight.double() * wide.to(weight).double())
    return found


def _correction(rows: Tensor, norms: Tensor) -> Tensor:
    """( Σ_l (row norms / spectral norm)^{2/3} )^{3/2}."""
    return (rows.to(norms) / norms).pow(2 / 3).sum().pow(3 / 2)
