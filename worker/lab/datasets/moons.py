"""Two interleaved half circles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from worker.lab.core.dataset import Dataset, training_size
from worker.lab.core.half_circles import half_circles
from worker.lab.core.task import Split, Task

CENTRE, SPAN = (0.5, 0.25), 4.0
"""The square about the moons that becomes [0, 1]²."""


class Moons(Dataset):
    """Two half moons in the plane: small enough to see every decision.

    Class 0 is (cos t, sin t), class 1 is (1 − cos t, ½ − sin t), t uniform in [0, π], plus Gaussian
    noise; then (p − (0.5, 0.25)) / 4 + ½ and clipped, so that inputs lie in [0, 1]². The points
    are the same for every seed of a run.
    """

    title: ClassVar[str] = "Two moons"
    paper: ClassVar[str] = "scikit-learn, make_moons"
    shape: ClassVar[tuple[int, ...]] = (2,)
    classes: ClassVar[tuple[str, ...]] = ("upper", "lower")
    test_size: ClassVar[int] = 1000

    examples: int = training_size(1000, 100_000, "training points; 1,000 more are for testing")
    noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="standard deviation, where a moon's radius is 1"
    )

    def read(self, folder: Path | None) -> Task:
        train, test = self._draw(self.examples, seed=1), self._draw(self.test_size, seed=2)
        mean, std = train.x.mean(0).tolist(), train.x.std(0).tolist()
        return Task("moons", train, test, self.classes, "points", tuple(mean), tuple(std))

    def _draw(self, count: int, seed: int) -> Split:
        points, y = half_circles(count, self.noise, torch.Generator().manual_seed(seed))
        return Split(((points - torch.tensor(CENTRE)) / SPAN + 0.5).clamp(0, 1), y)
