"""Digits whose colour tells more than their shape, until it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Split, Task

TRAINED = 50_000


class ColoredMnist(ImageDataset):
    """Coloured digits below or above five, whose colour misleads at test time.

    Every second pixel of MNIST: 14×14, two colour channels, one of them zero. The label is whether
    the digit is below five, flipped with probability 0.25 (`label_flip`); the channel that is lit
    is that of the label, flipped with probability 0.2 in one half of the training examples (an
    environment), 0.1 in the other, and 0.9 in the test. So colour predicts 85 % of the training
    labels, shape 75 % at best, and colour alone is right on 10 % of the test.

    From MNIST's training data: the first 50,000 shuffled to train on, half an environment each,
    the last 10,000 to test on, as in the authors' code. In [0, 1] and not standardised. The same
    for every seed of a run. Read as `mnist` is.
    """

    title: ClassVar[str] = "Colored MNIST"
    paper: ClassVar[str] = "Arjovsky et al. (2019); as in Pezeshki et al. (2021), arXiv:2011.09468"
    shape: ClassVar[tuple[int, ...]] = (2, 14, 14)
    classes: ClassVar[tuple[str, ...]] = ("5 to 9", "0 to 4")
    test_size: ClassVar[int] = 10_000

    examples: int = training_size(TRAINED)
    label_flip: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.25, description="share of labels, training and test alike, that shape does not explain"
    )
    color_flip_first: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2, description="probability of the other colour, in the first training environment"
    )
    color_flip_second: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="in the second training environment"
    )
    color_flip_test: Annotated[float, Field(ge=0, le=1)] = Field(0.9, description="in the test")

    def read(self, folder: Path | None) -> Task:
        digits, _ = pictures("mnist", "ylecun/mnist", folder)
        dice = torch.Generator().manual_seed(1)
        order = torch.randperm(TRAINED, generator=dice)
        first = torch.arange(TRAINED) % 2 == 0
        flips = torch.where(first, self.color_flip_first, self.color_flip_second)
        train = self._colored(digits.at(order), flips, dice)
        rest = Split(digits.x[TRAINED:], digits.y[TRAINED:])
        test = self._colored(rest, torch.full((len(rest),), self.color_flip_test), dice)
        name, names = self.name(), self.classes
        return Task(name, train, test, names, "image", (0.0, 0.0), (1.0, 1.0))

    def _colored(self, digits: Split, flips: Tensor, dice: torch.Generator) -> Split:
        drawn = torch.rand(2, len(digits), generator=dice)
        y = (digits.y < 5) ^ (drawn[0] < self.label_flip)
        color = y ^ (drawn[1] < flips)
        grey = digits.x[:, 0, ::2, ::2]
        lit = torch.stack([~color, color], 1)[:, :, None, None]
        return Split(grey[:, None] * lit, y.long())
