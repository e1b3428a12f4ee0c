"""How much of each layer the network needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.contract.measurement import Curve
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.outputs import accuracy


class RankTruncation(Diagnostic):
    """Test accuracy after truncating one layer to its largest singular directions.

    Layer l's weight, a kernel as a matrix of output channels by patch entries, becomes Σ_{i≤j} σ_i
    u_i v_iᵀ, all else staying as it is: `diagnostic/rank_truncation/layer1`, …, accuracy against j
    = 1, 2, 4, … and the full rank. `needed/layer1`, … is the least of these j at which accuracy is
    within a point of the whole network's. Little of a layer is needed where it can be compressed.
    Shifts of scale leave it as it is.

    Takes about 2 s of one core on the default CNN for MNIST (106,000 parameters).
    """

    title: ClassVar[str] = "Rank truncation"
    paper: ClassVar[str] = "After arXiv:2001.05070 and arXiv:1802.05296 (derived here)"
    invariant: ClassVar[bool | None] = True

    examples: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1000, description="test examples that accuracy is taken over"
    )

    def study(self, view: View) -> Iterator[Reading]:
        split = view.task.test.head(self.examples)
        whole = accuracy(view.model, split)
        layers = zip(view.layers.names, view.weight_names, view.layers.weights, strict=True)
        for layer, name, weight in layers:
            ranks, found = [], []
            for rank, truncated in truncations(weight):
                ranks.append(rank)
                found.append(accuracy(view.model, split, {name: truncated}))
            pairs = zip(ranks, found, strict=True)
            needed = next((j for j, right in pairs if right >= whole - 0.01), ranks[-1])
            yield f"diagnostic/rank_truncation/needed/{layer}", float(needed)
            yield (
                f"diagnostic/rank_truncation/{layer}",
                Curve(x=ranks, y=found, x_label="rank", y_label="test accuracy"),
            )


def truncations(weight: Tensor) -> Iterator[tuple[int, Tensor]]:
    """A weight at rank 1, 2, 4, … and its full rank."""
    u, s, v = torch.linalg.svd(weight.detach().flatten(1), full_matrices=False)
    rank = 1
    while rank < len(s):
        yield rank, ((u[:, :rank] * s[:rank]) @ v[:rank]).view_as(weight)
        rank *= 2
    yield len(s), weight.detach()
