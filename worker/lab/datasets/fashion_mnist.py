"""Clothes in the format of MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task


class FashionMnist(ImageDataset):
    """70,000 pictures of clothes, 28×28 grey pixels, in ten classes.

    60,000 to train on and 10,000 to test on, in their original order, divided by 255 into [0, 1].
    Read from the folder `fashion_mnist` of NORMSCOPE_DATASETS_DIR, else fetched once from the
    Hugging Face hub (zalando-datasets/fashion_mnist).
    """

    title: ClassVar[str] = "Fashion-MNIST"
    paper: ClassVar[str] = "Xiao, Rasul, Vollgraf (2017), arXiv:1708.07747"
    shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    classes: ClassVar[tuple[str, ...]] = (
        "T-shirt", "trouser", "pullover", "dress", "coat",
        "sandal", "shirt", "sneaker", "bag", "ankle boot",
    )  # fmt: skip
    test_size: ClassVar[int] = 10_000

    examples: int = training_size(60_000)

    def read(self, folder: Path | None) -> Task:
        hub = "zalando-datasets/fashion_mnist"
        train, test = pictures("fashion_mnist", hub, folder, self.examples)
        return Task("fashion_mnist", train, test, self.classes, "image", (0.2860,), (0.3530,))
