"""Half moons that a straight line can part."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field

from worker.lab.core.dataset import Dataset, training_size
from worker.lab.core.half_circles import half_circles
from worker.lab.core.task import Split, Task

MIDDLE, LIFT, SPAN = (0.5, 0.25), 0.3, 4.0
"""The middle of the two moons; how far each is drawn from it; the side that becomes 1."""


class MoonsMargin(Dataset):
    """Two half moons with an easy feature, which starves the harder one.

    Of half moons with noise, and s = −1 for the first class and +1 for the second: coordinate 2 is
    lowered by 0.3 s and centred, v; it becomes −s (|v| + margin); then the coordinates are swapped.
    So the first input parts the classes by 2 · margin along a straight line where margin > 0, and
    they overlap along it where margin < 0, while the second input keeps the moons' curve.

    Inputs are p / 4 + ½, clipped into [0, 1]²; the network sees p again, so lengths in a budget
    are a quarter of those in p. The construction is that of the authors' code; there the centre is
    the sample's mean, here that of the distribution. The points are the same for every seed.
    """

    title: ClassVar[str] = "Two moons with a margin"
    paper: ClassVar[str] = "Pezeshki et al., Gradient Starvation (2021), arXiv:2011.09468"
    shape: ClassVar[tuple[int, ...]] = (2,)
    classes: ClassVar[tuple[str, ...]] = ("right", "left")
    test_size: ClassVar[int] = 1000

    examples: int = training_size(300, 100_000, "training points; 1,000 more are for testing")
    noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="standard deviation, where a moon's radius is 1"
    )
    margin: Annotated[float, Field(ge=-0.5, le=0.5)] = Field(
        0.1, description="half the gap along the first input; below 0 the classes overlap there"
    )

    def read(self, folder: Path | None) -> Task:
        train, test = self._draw(self.examples, seed=1), self._draw(self.test_size, seed=2)
        mean, std = (0.5, 0.5), (1 / SPAN, 1 / SPAN)
        return Task(self.name(), train, test, self.classes, "points", mean, std)

    def _draw(self, count: int, seed: int) -> Split:
        points, y = half_circles(count, self.noise, torch.Generator().manual_seed(seed))
        across, up = (points - torch.tensor(MIDDLE)).unbind(1)
        s = 2 * y - 1
        parted = -s * ((up - LIFT * s).abs() + self.margin)
        return Split((torch.stack([parted, across], 1) / SPAN + 0.5).clamp(0, 1), y)
