"""House numbers, a digit at a time."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.hub import pictures
from worker.lab.core.task import Task

MEAN, STD = (0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)


class Svhn(ImageDataset):
    """99,289 digits of street-view house numbers, 32×32 colour pixels.

    The cropped digits: 73,257 to train on and 26,032 to test on, without the `extra` split, divided
    by 255 into [0, 1]. Read from the folder `svhn` of NORMSCOPE_DATASETS_DIR, else fetched once
    from the Hugging Face hub (ufldl-stanford/svhn, cropped_digits).
    """

    title: ClassVar[str] = "SVHN"
    paper: ClassVar[str] = "Netzer et al. (2011)"
    shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    test_size: ClassVar[int] = 26_032

    examples: int = training_size(73_257)

    def read(self, folder: Path | None) -> Task:
        train, test = pictures(
            "svhn", "ufldl-stanford/svhn", folder, self.examples, within="cropped_digits"
        )
        return Task("svhn", train, test, self.classes, "image", MEAN, STD)
