"""Small colour photographs."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Cifar10(ImageDataset):
    """60,000 colour photographs of 32×32 pixels in ten classes.

    50,000 to train on and 10,000 to test on, divided by 255 into [0, 1]. Read from the folder
    `cifar10` of NORMSCOPE_DATASETS_DIR, else fetched once from the Hugging Face hub
    (uoft-cs/cifar10).
    """

    title: ClassVar[str] = "CIFAR-10"
    paper: ClassVar[str] = "Krizhevsky (2009)"
    shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    classes: ClassVar[tuple[str, ...]] = (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    test_size: ClassVar[int] = 10_000

    examples: int = training_size(50_000)

    def read(self, folder: Path | None) -> Task:
        train, test = pictures("cifar10", "uoft-cs/cifar10", folder, self.examples)
        return Task("cifar10", train, test, self.classes, "image", MEAN, STD)
