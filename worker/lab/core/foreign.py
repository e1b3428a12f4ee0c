"""Test examples of another data set, in the form of a network's own inputs."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from worker.contract.spec import Choice
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError
from worker.lab.core.task import Split, Task


def require_foreign(who: str, against: Choice, task: Task) -> None:
    """LabError("bad_spec") where the other data set is no other or cannot fit."""
    other = Dataset.of(against)
    if other.name() == task.name:
        raise LabError("bad_spec", f"{who}: the run is on {task.name} itself")
    if other.shape != task.shape and not other.layout == task.layout == "image":
        shapes = f"inputs {other.shape} cannot be made {task.shape}"
        raise LabError("bad_spec", f"{who} against {other.name()}: {shapes}")


def foreign(against: Choice, folder: Path | None, shape: tuple[int, ...]) -> Split:
    """The other data set's test examples, their inputs of `shape`."""
    return _loaded(against.model_dump_json(), folder, shape)


@lru_cache(maxsize=2)
def _loaded(choice: str, folder: Path | None, shape: tuple[int, ...]) -> Split:
    """The other data set's test examples, in the form of the own ones: loaded once a process."""
    test = Dataset.of(Choice.model_validate_json(choice)).load(folder).test
    return Split(fitted(test.x, shape), test.y)


def fitted(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Images (N, C, H, W) in another size and number of channels; points as they are."""
    if tuple(x.shape[1:]) == shape:
        return x
    channels, *size = shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    resized: Tensor = F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)
    return torch.clamp(resized, 0, 1)
