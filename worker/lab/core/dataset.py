"""The protocol of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from worker.lab.core.registry import Spec
from worker.lab.core.task import Task


class Dataset(Spec):
    """Inputs in [0, 1] and labels, loaded into memory.

    The class constants are facts of the catalogue: an estimate needs sizes before anything loads.
    `train_size` and `test_size` may name an integer parameter.
    """

    kind: ClassVar[str] = "dataset"
    shape: ClassVar[tuple[int, ...]]
    classes: ClassVar[tuple[str, ...]]
    layout: ClassVar[Literal["image", "points"]] = "image"
    train_size: ClassVar[int | str]
    test_size: ClassVar[int | str]

    @classmethod
    def facts(cls) -> dict[str, Any]:
        return {
            "shape": list(cls.shape),
            "classes": list(cls.classes),
            "layout": cls.layout,
            "train": cls.train_size,
            "test": cls.test_size,
        }

    def load(self, folder: Path | None) -> Task:
        """The task, on the CPU. `folder` is NORMSCOPE_DATASETS_DIR.

        Raises LabError(code="dataset_missing") naming every way to provide the data.
        """
        raise NotImplementedError
