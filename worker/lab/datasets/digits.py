"""Real digits that need no download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from worker.lab.core.dataset import ImageDataset, training_size
from worker.lab.core.errors import LabError
from worker.lab.core.task import Split, Task


class Digits(ImageDataset):
    """1,797 handwritten digits of 8×8 grey pixels; nothing to download.

    The images that scikit-learn ships (UCI Optical Recognition of Handwritten Digits), divided by
    16 into [0, 1]. One fixed random split: 1,437 to train on, 360 to test on.
    """

    title: ClassVar[str] = "Digits 8×8"
    paper: ClassVar[str] = "Alpaydin & Kaynak, UCI repository (1998)"
    shape: ClassVar[tuple[int, ...]] = (1, 8, 8)
    classes: ClassVar[tuple[str, ...]] = tuple("0123456789")
    test_size: ClassVar[int] = 360

    examples: int = training_size(1437)

    def read(self, folder: Path | None) -> Task:
        table = torch.from_numpy(np.loadtxt(_file(), delimiter=",", dtype=np.uint8))
        table = table[torch.randperm(len(table), generator=torch.Generator().manual_seed(0))]
        x, y = table[:, :64].float().div(16).view(-1, *self.shape), table[:, 64].long()
        train, test = Split(x[:1437], y[:1437]), Split(x[1437:], y[1437:])
        mean, std = float(train.x.mean()), float(train.x.std())
        return Task("digits", train, test, self.classes, "image", (mean,), (std,))


def _file() -> Path:
    """The table inside the installed scikit-learn, whose import would take over a second."""
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise LabError("dataset_missing", "digits comes with scikit-learn: pip install it")
    return Path(found.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
