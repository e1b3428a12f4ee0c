"""Handwritten digits, the classic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from worker.lab.core.dataset import Dataset
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task


class Mnist(Dataset):
    """70,000 handwritten digits of 28×28 grey pixels.

    60,000 to train on and 10,000 to test on, in their original order, divided by 255 into [0, 1].
    Read from the folder `mnist` of NORMSCOPE_DATASETS_DIR, else fetched once from the Hugging Face
    hub (ylecun/mnist).
    """

    title: ClassVar[str] = "MNIST"
    paper: ClassVar[str] = "LeCun, Bottou, Bengio, Haffner (1998)"
    shape: ClassVar[tuple[int, ...]] = (1, 28, 28)
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    train_size: ClassVar[int | str] = "train_examples"
    test_size: ClassVar[int | str] = 10_000

    train_examples: Annotated[int, Field(ge=10, le=60_000)] = Field(
        60_000, description="the first so many; all are tested on"
    )

    def load(self, folder: Path | None) -> Task:
        train, test = pictures("mnist", "ylecun/mnist", folder)
        train = train.head(self.train_examples)
        return Task("mnist", train, test, self.classes, "image", (0.1307,), (0.3081,))
