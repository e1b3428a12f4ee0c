"""Small colour photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from worker.lab.core.dataset import Dataset
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Cifar10(Dataset):
    """60,000 colour photographs of 32×32 pixels in ten classes.

    50,000 to train on and 10,000 to test on, divided by 255 into [0, 1]. Read from the folder
    `cifar10` of NORMSCOPE_DATASETS_DIR, else fetched once from the Hugging Face hub
    (uoft-cs/cifar10). No augmentation.
    """

    title: ClassVar[str] = "CIFAR-10"
    paper: ClassVar[str] = "Krizhevsky (2009)"
    shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    classes: ClassVar[tuple[str, ...]] = (
        "airplane", "automobile", "bird", "cat", "deer",
        "dog", "frog", "horse", "ship", "truck",
    )  # fmt: skip
    train_size: ClassVar[int | str] = "train_examples"
    test_size: ClassVar[int | str] = 10_000

    train_examples: Annotated[int, Field(ge=10, le=50_000)] = Field(
        50_000, description="the first so many; all are tested on"
    )

    def load(self, folder: Path | None) -> Task:
        train, test = pictures("cifar10", "uoft-cs/cifar10", folder)
        train = train.head(self.train_examples)
        return Task("cifar10", train, test, self.classes, "image", MEAN, STD)
