"""Data is what its card says."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from worker.lab.core.dataset import Dataset
from worker.lab.core.registry import entries
from worker.lab.core.task import Split, Task
from worker.lab.datasets.colored_mnist import ColoredMnist

FOLDER = Path(os.environ.get("NORMSCOPE_DATASETS_DIR", "/nonexistent"))
LOCAL = ["digits", "moons", "moons_margin", "spirals", "structured_features"]
RAW = {"structured_features", "moons_margin"}
"""Never standardised: the network sees the units of the construction."""


def load(name: str, **parameters: Any) -> Task:
    return Dataset.of({"name": name, **parameters}).load(None)


def original(task: Task, x: Tensor) -> Tensor:
    """What the network sees behind its first layer."""
    return (x - torch.tensor(task.mean)) / torch.tensor(task.std)


@pytest.mark.parametrize("name", LOCAL)
def test_inputs_lie_in_the_unit_cube_and_facts_hold(name: str) -> None:
    data = Dataset.of({"name": name})
    task, facts = data.load(None), type(data).facts()
    assert list(task.shape) == facts["shape"]
    assert (len(task.train), len(task.test)) == (data.examples, facts["test"])
    for split in (task.train, task.test):
        assert (float(split.x.min()) >= 0, float(split.x.max()) <= 1) == (True, True)
        assert split.x.dtype == torch.float32
        assert split.y.unique().tolist() == list(range(len(facts["classes"])))
    assert len(task.mean) == len(task.std) == task.shape[0]


@pytest.mark.parametrize("name", sorted({*LOCAL} - RAW))
def test_what_is_standardised_has_mean_zero_and_deviation_one(name: str) -> None:
    task = load(name)
    channels = task.train.x.movedim(1, -1).reshape(-1, task.shape[0])
    assert torch.allclose(channels.mean(0), torch.tensor(task.mean), atol=1e-5)
    assert torch.allclose(channels.std(0), torch.tensor(task.std), atol=1e-5)


@pytest.mark.parametrize("name", LOCAL)
def test_data_is_the_same_every_time(name: str) -> None:
    asked = {"label_noise": 0.2, "validation": 0.1}
    torch.manual_seed(1)
    first = load(name, **asked)
    torch.manual_seed(2)
    second = load(name, **asked)
    for a, b in zip(splits(first), splits(second), strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)


def splits(task: Task) -> list[Split]:
    assert task.validation is not None
    return [task.train, task.validation, task.test]


def test_digits_are_scikit_learns() -> None:
    task = load("digits")
    x = torch.cat([task.train.x, task.test.x]).view(1797, 64)
    y = torch.cat([task.train.y, task.test.y])
    theirs = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x * 16, torch.from_numpy(theirs.data).float()[order])
    assert torch.equal(y, torch.from_numpy(theirs.target)[order])


def test_train_and_test_points_differ() -> None:
    for name in ("moons", "spirals", "moons_margin"):
        task = load(name, examples=1000)
        assert not torch.equal(task.train.x, task.test.x)


@pytest.mark.parametrize("name", ["moons", "spirals", "digits"])
def test_fewer_examples_are_the_first_of_all(name: str) -> None:
    if name == "digits":
        assert torch.equal(load(name, examples=50).train.x, load(name).train.x[:50])
    assert len(load(name, train_examples=50).train) == 50, "the name it had before"
    assert len(load(name, examples=50).test) == len(load(name).test)


def test_moons_are_half_circles() -> None:
    task = load("moons", noise=0, examples=500)
    points = (task.train.x - 0.5) * 4 + torch.tensor([0.5, 0.25])
    upper, lower = points[task.train.y == 0], points[task.train.y == 1]
    assert torch.allclose(upper.norm(dim=1), torch.ones(250), atol=1e-5)
    assert torch.allclose((lower - torch.tensor([1, 0.5])).norm(dim=1), torch.ones(250), atol=1e-5)
    assert float(upper[:, 1].min()) > -1e-5
    assert float(lower[:, 1].max()) < 0.5 + 1e-5


@pytest.mark.parametrize("margin", [0.05, 0.1, 0.4])
def test_a_margin_parts_the_moons_along_the_first_input(margin: float) -> None:
    task = load("moons_margin", margin=margin, examples=5000)
    for split in (task.train, task.test):
        first = original(task, split.x)[:, 0]
        assert float(first[split.y == 0].min()) >= margin - 1e-6
        assert float(first[split.y == 1].max()) <= -margin + 1e-6
    gap = first[split.y == 0].min() - first[split.y == 1].max()
    assert float(gap) < 2 * margin + 0.02, "and the gap is no wider than it must be"


def test_a_negative_margin_makes_them_overlap() -> None:
    task = load("moons_margin", margin=-0.1, examples=5000)
    first = original(task, task.train.x)[:, 0]
    wrong = (first < 0) == (task.train.y == 0)
    assert 0.01 < float(wrong.float().mean()) < 0.2


def test_the_margin_moves_one_coordinate_and_nothing_else() -> None:
    near, far = (load("moons_margin", margin=m).train for m in (0.0, 0.25))
    assert torch.equal(near.x[:, 1], far.x[:, 1])
    moved = (far.x - near.x)[:, 0] * 4
    assert torch.allclose(moved, torch.where(near.y == 0, 0.25, -0.25), atol=1e-6)


def test_the_second_input_alone_does_not_part_the_moons() -> None:
    task = load("moons_margin", examples=5000)
    second = original(task, task.train.x)[:, 1]
    for cut in second.quantile(torch.linspace(0.05, 0.95, 19)):
        right = ((second > cut) == (task.train.y == 1)).float().mean()
        assert 0.15 < float(right) < 0.85


def test_spirals_are_spirals() -> None:
    task = load("spirals", noise=0, examples=500)
    points = (task.train.x - 0.5) * 2.2
    radius = points.norm(dim=1)
    angle = 2 * math.pi * 1.25 * radius + math.pi * task.train.y
    assert torch.allclose(points[:, 0], radius * angle.cos(), atol=1e-5)
    assert float(radius.max()) <= 1


def features(task: Task, x: Tensor) -> tuple[Tensor, Tensor]:
    """Core and background of inputs, by the directions that the task carries."""
    units = original(task, x)
    return units @ task.extras["core"].T, units @ task.extras["background"].T


def test_the_directions_of_structured_features_are_orthonormal_and_hold_everything() -> None:
    task = load("structured_features")
    q = torch.cat([task.extras["core"], task.extras["background"]])
    assert torch.allclose(q @ q.T, torch.eye(64), atol=1e-5)
    units = original(task, task.train.x)
    assert torch.allclose(units @ q.T @ q, units, atol=1e-4)


def test_core_and_background_are_as_told() -> None:
    task = load("structured_features", examples=4000)
    core, background = features(task, task.train.x)
    y = task.train.y
    assert torch.allclose(core.norm(dim=1), 2.0 - y, atol=1e-4)
    assert float(core.mean(0).norm()) < 0.1
    assert float(background.min()) > -1e-4
    assert float(background.max()) < 1 + 1e-4
    assert torch.allclose(background.mean(0), torch.full((32,), 0.5), atol=0.03)
    gap = background[y == 1].mean(0) - background[y == 0].mean(0)
    assert float(gap.abs().max()) < 0.05, "independent of the class"


@pytest.mark.parametrize("mean", [0.0, 0.25, 1.0])
def test_the_background_has_the_mean_asked_for(mean: float) -> None:
    task = load("structured_features", background_mean=mean, core="linear")
    _, background = features(task, task.train.x)
    assert float(background.mean()) == pytest.approx(mean, abs=0.01)
    assert float(task.train.x.min()) > 0, "not clipped"
    assert float(task.train.x.max()) < 1


def test_out_of_distribution_only_the_background_turns() -> None:
    task = load("structured_features")
    core, _ = features(task, task.train.x)
    shifted, background = features(task, task.extras["ood_x"])
    assert torch.allclose(core, shifted, atol=1e-4)
    assert torch.equal(task.extras["ood_y"], task.train.y)
    assert float(background.mean()) == pytest.approx(-0.5, abs=0.01)
    assert float(background.max()) < 1e-4


def test_a_linear_core_lies_on_the_side_of_its_class() -> None:
    task = load("structured_features", core="linear")
    core, _ = features(task, task.train.x)
    side = (2 * task.train.y - 1)[:, None]
    assert float((core * side).min()) > -1e-4
    assert float((core * side).mean()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0])
@pytest.mark.parametrize("name", ["digits", "moons"])
def test_exactly_the_asked_share_of_labels_is_wrong(name: str, share: float) -> None:
    clean, noisy = load(name), load(name, label_noise=share)
    assert torch.equal(clean.train.x, noisy.train.x)
    assert torch.equal(clean.test.y, noisy.test.y)
    assert int((clean.train.y != noisy.train.y).sum()) == round(share * len(clean.train))
    assert noisy.train.y.unique().tolist() == list(range(len(clean.classes)))


def test_every_other_class_is_as_likely() -> None:
    clean, noisy = load("digits"), load("digits", label_noise=1.0)
    turned = (noisy.train.y - clean.train.y) % 10
    counts = turned.bincount(minlength=10)
    assert int(counts[0]) == 0
    assert float(counts[1:].min()) > 1437 / 9 - 4 * math.sqrt(1437 / 9)


def test_what_is_held_out_is_neither_trained_on_nor_mislabelled() -> None:
    whole, parted = load("digits"), load("digits", validation=0.2, label_noise=0.5)
    assert parted.validation is not None
    assert len(parted.validation) == round(0.2 * 1437)
    assert len(parted.train) == 1437 - len(parted.validation)
    known = {key(x): int(y) for x, y in zip(whole.train.x, whole.train.y, strict=True)}
    held = {key(x): int(y) for x, y in zip(parted.validation.x, parted.validation.y, strict=True)}
    rest = {key(x): int(y) for x, y in zip(parted.train.x, parted.train.y, strict=True)}
    assert not held.keys() & rest.keys()
    assert held.keys() | rest.keys() == known.keys()
    assert all(known[image] == label for image, label in held.items())
    wrong = sum(known[image] != label for image, label in rest.items())
    assert wrong == round(0.5 * len(rest))
    assert parted.validation.y.bincount().min() > 10, "drawn at random"


def key(x: Tensor) -> bytes:
    return x.numpy().tobytes()


def painted(flips: float, **parameters: Any) -> tuple[Split, Split]:
    """Made-up digits, and what becomes of them."""
    dice = torch.Generator().manual_seed(0)
    x = torch.rand(20_000, 1, 28, 28, generator=dice)
    digits = Split(x, torch.randint(10, (20_000,), generator=dice))
    data = Dataset.of({"name": "colored_mnist", **parameters})
    assert isinstance(data, ColoredMnist)
    return digits, data._colored(digits, torch.full((20_000,), flips), dice)


@pytest.mark.parametrize("flips", [0.0, 0.1, 0.9])
def test_colour_disagrees_with_the_label_as_often_as_asked(flips: float) -> None:
    digits, found = painted(flips)
    disagrees = (lit(found) != found.y).float().mean()
    assert float(disagrees) == pytest.approx(flips, abs=0.012)
    wrong = (found.y == 1) != (digits.y < 5)
    assert float(wrong.float().mean()) == pytest.approx(0.25, abs=0.012)


def test_coloured_digits_are_every_second_pixel_and_labels_say_below_five() -> None:
    digits, found = painted(0.5, label_flip=0)
    assert torch.equal(found.x.sum(1), digits.x[:, 0, ::2, ::2])
    assert torch.equal(found.y, (digits.y < 5).long())


@pytest.mark.skipif(not (FOLDER / "mnist").is_dir(), reason="needs mnist in a folder")
def test_colour_misleads_in_the_test_alone() -> None:
    data = Dataset.of({"name": "colored_mnist"})
    task = data.load(FOLDER)
    assert (task.shape, len(task.train), len(task.test)) == ((2, 14, 14), 50_000, 10_000)
    agrees = lit(task.train) == task.train.y
    assert float(agrees[::2].float().mean()) == pytest.approx(0.8, abs=0.01)
    assert float(agrees[1::2].float().mean()) == pytest.approx(0.9, abs=0.01)
    assert float((lit(task.test) == task.test.y).float().mean()) == pytest.approx(0.1, abs=0.015)
    assert float(task.train.y.float().mean()) == pytest.approx(0.5, abs=0.02)


def lit(split: Split) -> Tensor:
    """The channel that is not black."""
    bright = split.x.sum((2, 3))
    assert bool(((bright > 0).sum(1) == 1).all())
    return bright.argmax(1)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_pictures_from_a_folder(name: str) -> None:
    if not (FOLDER / name).is_dir():
        pytest.skip("NORMSCOPE_DATASETS_DIR has no such folder")
    data = Dataset.of({"name": name, "train_examples": 2000})
    task = data.load(FOLDER)
    assert task.shape == type(data).shape
    assert (len(task.train), len(task.test)) == (2000, 10_000)
    assert 0 <= float(task.train.x.min()) < 0.01
    assert 0.99 < float(task.train.x.max()) <= 1
    mean = task.test.x.mean((0, 2, 3))
    assert torch.allclose(mean, torch.tensor(task.mean), atol=0.02)
    assert task.test.y.bincount().min() > 800


def test_every_dataset_is_covered() -> None:
    elsewhere = {"mnist", "cifar10", "cifar100", "fashion_mnist", "svhn", "colored_mnist"}
    assert set(entries("dataset")) == {*LOCAL, *elsewhere}
