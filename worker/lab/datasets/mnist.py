"""Handwritten digits, the classic."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task


class Mnist(ImageDataset):
    """70,000 handwritten digits of 28×28 grey pixels.

    60,000 to train on and 10,000 to test on, in their original order, divided by 255 into [0, 1].
    Read from the folder `mnist` of NORMSCOPE_DATASETS_DIR, else fetched once from the Hugging Face
    hub (ylecun/mnist).
    """

    title: ClassVar[str] = "MNIST"
    paper: ClassVar[str] = "LeCun, Bottou, Bengio, Haffner (1998)"
    shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    test_size: ClassVar[int] = 10_000

    examples: int = training_size(60_000)

    def read(self, folder: Path | None) -> Task:
        train, test = pictures("mnist", "ylecun/mnist", folder, self.examples)
        return Task("mnist", train, test, self.classes, "image", (0.1307,), (0.3081,))
