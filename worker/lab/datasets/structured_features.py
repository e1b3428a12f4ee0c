"""Features that matter, and a background that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from worker.lab.core.dataset import Dataset, training_size
from worker.lab.core.task import Split, Task

CORE, BACKGROUND, INPUTS = 32, 32, 256
SPAN = 16.0
"""The side of the cube, in the units of v, that becomes [0, 1]^256: nothing is ever clipped."""


class StructuredFeatures(Dataset):
    """Core features decide the class, a background does not, yet networks learn it too.

    v = [core, background] Q, Q (64 × 256) with orthonormal rows. Core `radius`: a random direction
    of length 1 for the second class and 2 for the first; `linear`: uniform in [0, 1]³² for the
    second class and its negative for the first. The background is independent of the class: uniform
    with the given mean in a cube of side 1; out of distribution it is −background, drawn afresh,
    with the training examples' own cores.

    Inputs are v / 16 + ½, and the network sees v as it is: nothing is standardised, for with a
    background of mean zero the effect vanishes (derived; so would it by standardising). An ε of
    0.01 moves v by 0.16. For diagnostics the task carries the directions `core` and `background`,
    each (32, 256), and the shifted test as `ood_x`, `ood_y`. The same for every seed of a run.
    """

    title: ClassVar[str] = "Structured features"
    paper: ClassVar[str] = "Zhang et al., Feature Contamination (2024), arXiv:2406.03345"
    shape: ClassVar[tuple[int, ...]] = (INPUTS,)
    classes: ClassVar[tuple[str, ...]] = ("negative", "positive")
    test_size: ClassVar[int] = 1000
    extras: ClassVar[tuple[str, ...]] = ("core", "background", "ood_x", "ood_y")

    examples: int = training_size(1000, 100_000, "training points; 1,000 more are for testing")
    core: Literal["radius", "linear"] = Field(
        "radius", description="by what the classes differ: their distance from 0, or their side"
    )
    background_mean: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="of each background feature; its sign turns out of distribution"
    )

    def read(self, folder: Path | None) -> Task:
        dice = torch.Generator().manual_seed(1)
        q = torch.linalg.qr(torch.randn(INPUTS, CORE + BACKGROUND, generator=dice)).Q.T
        train_y, test_y = torch.arange(self.examples) % 2, torch.arange(self.test_size) % 2
        core, test_core = self._core(train_y, dice), self._core(test_y, dice)
        train = Split(_inputs(core, self._background(len(core), dice), q), train_y)
        test = Split(_inputs(test_core, self._background(len(test_core), dice), q), test_y)
        extras = {
            "core": q[:CORE].contiguous(),
            "background": q[CORE:].contiguous(),
            "ood_x": _inputs(core, -self._background(len(core), dice), q),
            "ood_y": train_y,
        }
        mean, std = (0.5,) * INPUTS, (1 / SPAN,) * INPUTS
        name, names = self.name(), self.classes
        return Task(name, train, test, names, "points", mean, std, extras=extras)

    def _core(self, y: Tensor, dice: torch.Generator) -> Tensor:
        if self.core == "linear":
            return (2 * y - 1)[:, None] * torch.rand(len(y), CORE, generator=dice)
        directions = F.normalize(torch.randn(len(y), CORE, generator=dice))
        return (2 - y)[:, None] * directions

    def _background(self, count: int, dice: torch.Generator) -> Tensor:
        return torch.rand(count, BACKGROUND, generator=dice) - 0.5 + self.background_mean


def _inputs(core: Tensor, background: Tensor, q: Tensor) -> Tensor:
    return torch.cat([core, background], 1) @ q / SPAN + 0.5
