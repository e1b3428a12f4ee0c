"""Augmentation moves pixels and does nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from worker.lab import fit
from worker.lab.core.augment import margin, moved, moves
from worker.lab.core.batches import batches
from worker.lab.core.dataset import Dataset
from worker.lab.core.task import Split


def numbered(count: int, channels: int, side: int) -> Tensor:
    """Images whose pixels all differ, and none is zero."""
    return torch.arange(1.0, 1 + count * channels * side * side).view(count, channels, side, side)


def by_hand(x: Tensor, top: int, left: int, flip: bool) -> Tensor:
    pad = margin(x[None])
    padded = F.pad(x, (pad,) * 4)
    crop = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return crop.flip(2) if flip else crop


@pytest.mark.parametrize(("channels", "side"), [(1, 8), (1, 28), (3, 32), (2, 14)])
@pytest.mark.parametrize("augment", ["crop", "crop_flip"])
def test_every_image_is_a_crop_of_its_padded_self(augment: Any, channels: int, side: int) -> None:
    x = numbered(40, channels, side)
    drawn = moves(x, augment, torch.Generator().manual_seed(0))
    found = moved(x, drawn)
    for image, source, (top, left, flip) in zip(found, x, drawn.tolist(), strict=True):
        assert torch.equal(image, by_hand(source, top, left, bool(flip)))


def test_small_images_are_shifted_by_two_and_others_by_four() -> None:
    dice = torch.Generator().manual_seed(0)
    for side, most in ((28, 2), (8, 2), (29, 4), (32, 4)):
        drawn = moves(torch.zeros(2000, 1, side, side), "crop_flip", dice)
        for axis in (0, 1):
            counts = drawn[:, axis].bincount()
            assert len(counts) == 2 * most + 1
            assert int(counts.min()) > 2000 / (2 * most + 1) / 2
        assert 900 < int(drawn[:, 2].sum()) < 1100


def test_crop_never_mirrors_and_shifts_as_crop_flip_does() -> None:
    x = torch.zeros(100, 3, 32, 32)
    crop, both = (
        moves(x, kind, torch.Generator().manual_seed(3)) for kind in ("crop", "crop_flip")
    )
    assert int(crop[:, 2].sum()) == 0
    assert torch.equal(crop[:, :2], both[:, :2])


def test_training_batches_are_augmented_and_nothing_else_is() -> None:
    task = Dataset.of({"name": "digits", "augment": "crop_flip", "validation": 0.1}).load(None)
    plain = Dataset.of({"name": "digits", "validation": 0.1}).load(None)
    assert task.validation is not None
    assert (task.validation.augment, task.test.augment) == ("none", "none")
    assert torch.equal(task.train.x, plain.train.x)
    assert torch.equal(task.train.head(5).x, plain.train.x[:5])
    pairs = zip(batches(task.train, 64, 0, 0), batches(plain.train, 64, 0, 0), strict=True)
    same = 0
    for (x, y), (untouched, labels) in pairs:
        assert torch.equal(y, labels), "the order of examples is that without it"
        same += sum(torch.equal(a, b) for a, b in zip(x, untouched, strict=True))
    assert 0 < same < 0.1 * len(task.train), "no shift and no mirror: one in fifty"


@pytest.mark.parametrize("skip", [0, 1, 17])
def test_an_epoch_can_be_entered_anywhere(skip: int) -> None:
    split = Split(torch.rand(1000, 3, 32, 32), torch.arange(1000), "crop_flip")
    whole = list(batches(split, 50, seed=4, epoch=2))
    rest = list(batches(split, 50, seed=4, epoch=2, skip=skip))
    assert len(rest) == 20 - skip
    for (x, y), (again, labels) in zip(whole[skip:], rest, strict=True):
        assert torch.equal(x, again)
        assert torch.equal(y, labels)
    other = next(iter(batches(split, 50, seed=4, epoch=3)))[0]
    assert not torch.equal(other, whole[0][0])


def test_a_run_learns_through_it_and_is_the_same_again() -> None:
    def accuracy() -> float:
        spec = {
            "dataset": {"name": "digits", "augment": "crop", "validation": 0.2},
            "model": {"name": "cnn", "channels": [16], "hidden": []},
            "epochs": 8,
            "diagnostics": [{"name": "accuracy"}],
        }
        *_, last = (event for event in fit(spec) if event.type == "measured")
        assert {"validation/accuracy", "validation/loss"} <= last.values.keys()
        return float(last.values["validation/accuracy"])  # type: ignore[arg-type]

    first = accuracy()
    assert first > 0.8
    assert first == accuracy()
