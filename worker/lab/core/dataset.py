"""The protocol of a data set, and what may be done to any: less of it, wrong labels, a hold-out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import AliasChoices, Field

from worker.lab.core.augment import Augment
from worker.lab.core.registry import Spec
from worker.lab.core.task import Split, Task

SEED = 20_260
"""Of which labels are wrong and which examples are held out: the same in every run."""
OLDER = "train_examples"


def training_size(default: int, most: int | None = None, told: str | None = None) -> Any:
    """The parameter `examples` of a data set that has `most` training examples."""
    return Field(
        default,
        ge=10,
        le=most or default,
        description=told or "the first so many of the training data; all are tested on",
        validation_alias=AliasChoices("examples", OLDER),
        json_schema_extra={"aliases": [OLDER]},
    )


class Dataset(Spec):
    """Inputs in [0, 1] and labels, loaded into memory.

    The class constants are facts of the catalogue: an estimate needs sizes before anything loads.
    """

    kind: ClassVar[str] = "dataset"
    shape: ClassVar[tuple[int, ...]]
    classes: ClassVar[tuple[str, ...]]
    layout: ClassVar[Literal["image", "points"]] = "points"
    test_size: ClassVar[int]
    extras: ClassVar[tuple[str, ...]] = ()
    """Names of the tensors that its tasks carry for diagnostics."""

    examples: int
    label_noise: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="share of the training labels replaced by another class, drawn at random"
    )
    validation: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.0, description="share of the training data held out, its labels right"
    )

    @classmethod
    def facts(cls) -> dict[str, Any]:
        return {
            "shape": list(cls.shape),
            "classes": list(cls.classes),
            "layout": cls.layout,
            "train": "examples",
            "validation": "validation",
            "test": cls.test_size,
            **({"extras": list(cls.extras)} if cls.extras else {}),
        }

    def read(self, folder: Path | None) -> Task:
        """The data as it is, on the CPU; at least `examples` to train on.
        `folder` is NORMSCOPE_DATASETS_DIR.

        Raises LabError(code="dataset_missing") naming every way to provide the data.
        """
        raise NotImplementedError

    def load(self, folder: Path | None) -> Task:
        """The task, on the CPU: the first `examples`, of which a random share is held out, and of
        the rest a random share mislabelled. Raises as `read` does."""
        task = self.read(folder)
        dice = torch.Generator().manual_seed(SEED)
        held, train = _parted(task.train.head(self.examples), self.validation, dice)
        train = _mislabelled(train, self.label_noise, len(self.classes), dice)
        return replace(task, train=train, validation=held)


class ImageDataset(Dataset):
    """Images (N, C, H, W), which training may augment."""

    layout: ClassVar[Literal["image", "points"]] = "image"

    augment: Augment = Field(
        "none",
        description="of training batches: a random crop out of a margin of zeros (4 pixels, "
        "2 for sides of 28 or less); crop_flip also mirrors every second image, left to right",
    )

    def load(self, folder: Path | None) -> Task:
        task = super().load(folder)
        return replace(task, train=replace(task.train, augment=self.augment))


def _parted(split: Split, share: float, dice: torch.Generator) -> tuple[Split | None, Split]:
    """What is held out, and the rest, both in their order."""
    count = round(share * len(split))
    if count == 0:
        return None, split
    held = torch.zeros(len(split), dtype=torch.bool)
    held[torch.randperm(len(split), generator=dice)[:count]] = True
    rows = torch.arange(len(split))
    return split.at(rows[held]), split.at(rows[~held])


def _mislabelled(split: Split, share: float, classes: int, dice: torch.Generator) -> Split:
    """Exactly that share of labels wrong, each of the other classes equally likely."""
    count = round(share * len(split))
    if count == 0:
        return split
    y = split.y.clone()
    rows = torch.randperm(len(split), generator=dice)[:count]
    y[rows] = (y[rows] + torch.randint(1, classes, (count,), generator=dice)) % classes
    return replace(split, y=y)
