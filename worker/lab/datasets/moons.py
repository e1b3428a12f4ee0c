"""Two interleaved half circles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.dataset import Dataset
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
    layout: ClassVar = "points"
    train_size: ClassVar[int | str] = "examples"
    test_size: ClassVar[int | str] = 1000

    examples: Annotated[int, Field(ge=10, le=100_000)] = Field(
        1000, description="training points; 1,000 more are for testing"
    )
    noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="standard deviation, where a moon's radius is 1"
    )

    def load(self, folder: Path | None) -> Task:
        train = _draw(self.examples, self.noise, seed=1)
        test = _draw(1000, self.noise, seed=2)
        mean, std = train.x.mean(0).tolist(), train.x.std(0).tolist()
        return Task("moons", train, test, self.classes, "points", tuple(mean), tuple(std))


def _draw(count: int, noise: float, seed: int) -> Split:
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 2
    t = math.pi * torch.rand(count, generator=generator)
    upper = torch.stack([t.cos(), t.sin()], 1)
    lower = torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    points: Tensor = torch.where(y[:, None] == 0, upper, lower)
    points = points + noise * torch.randn(count, 2, generator=generator)
    return Split(((points - torch.tensor(CENTRE)) / SPAN + 0.5).clamp(0, 1), y)
