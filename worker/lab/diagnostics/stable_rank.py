"""How many directions of a layer carry weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor

from worker.lab.core.diagnostic import Diagnostic, Reading, View


class StableRank(Diagnostic):
    """How many directions of a layer really carry weight: its squared norms' ratio.

    srank(W) = ‖W‖_F² / ‖W‖₂², between 1 and the rank, of the weight matrix, or of the kernel as a
    matrix of output channels by patch entries; batch normalisation folded in. Readings under
    `diagnostic/stable_rank`: `layer1`, …, and their sum, `total`, the factor of spectral bounds
    such as Π‖W_l‖₂² Σ srank(W_l) / γ². Shifts of scale leave it as it is.
    """

    title: ClassVar[str] = "Stable rank"
    paper: ClassVar[str] = "Neyshabur, Bhojanapalli, Srebro, arXiv:1707.09564"
    invariant: ClassVar[bool | None] = True

    def survey(self, view: View) -> Iterator[Reading]:
        ranks = torch.stack([stable_rank(weight) for weight in view.layers.folded])
        for name, rank in zip(view.layers.names, ranks, strict=True):
            yield f"diagnostic/stable_rank/{name}", rank
        yield "diagnostic/stable_rank/total", ranks.sum()


def stable_rank(weight: Tensor) -> Tensor:
    """From the smaller Gram matrix, whose eigenvalues are far cheaper than a decomposition."""
    matrix = weight.flatten(1)
    gram = matrix @ matrix.mT if len(matrix) <= matrix.shape[1] else matrix.mT @ matrix
    rank: Tensor = gram.trace() / torch.linalg.eigvalsh(gram)[-1]
    return rank.nan_to_num(0.0)
