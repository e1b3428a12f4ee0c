"""Two arms wound about each other."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from worker.lab.core.dataset import Dataset, training_size
from worker.lab.core.task import Split, Task


class Spirals(Dataset):
    """Two spiral arms in the plane: a boundary that needs depth or width.

    r = √u with u uniform in [0, 1], angle 2π · turns · r (+ π for class 1), plus Gaussian noise;
    then scaled and clipped into [0, 1]². The points are the same for every seed of a run.
    """

    title: ClassVar[str] = "Two spirals"
    paper: ClassVar[str] = "after Lang & Witbrock (1988)"
    shape: ClassVar[tuple[int, ...]] = (2,)
    classes: ClassVar[tuple[str, ...]] = ("first", "second")
    test_size: ClassVar[int] = 1000

    examples: int = training_size(1000, 100_000, "training points; 1,000 more are for testing")
    noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.03, description="standard deviation, where an arm's length is 1"
    )
    turns: Annotated[float, Field(gt=0, le=4)] = Field(1.25, description="of each arm")

    def read(self, folder: Path | None) -> Task:
        train, test = self._draw(self.examples, seed=1), self._draw(self.test_size, seed=2)
        mean, std = train.x.mean(0).tolist(), train.x.std(0).tolist()
        return Task("spirals", train, test, self.classes, "points", tuple(mean), tuple(std))

    def _draw(self, count: int, seed: int) -> Split:
        generator = torch.Generator().manual_seed(seed)
        y = torch.arange(count) % 2
        r = torch.rand(count, generator=generator).sqrt()
        angle = 2 * math.pi * self.turns * r + math.pi * y
        points = torch.stack([r * angle.cos(), r * angle.sin()], 1)
        points = points + self.noise * torch.randn(count, 2, generator=generator)
        return Split((points / 2.2 + 0.5).clamp(0, 1), y)
