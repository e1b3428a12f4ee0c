"""Data is what its card says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError
from worker.lab.core.registry import entries

FOLDER = Path(os.environ.get("NORMSCOPE_DATASETS_DIR", "/nonexistent"))
LOCAL = ["digits", "moons", "spirals"]


@pytest.mark.parametrize("name", LOCAL)
def test_inputs_lie_in_the_unit_cube_and_facts_hold(name: str) -> None:
    data = Dataset.of({"name": name})
    task = data.load(None)
    facts = type(data).facts()
    assert list(task.shape) == facts["shape"]
    size = facts["train"] if isinstance(facts["train"], int) else getattr(data, facts["train"])
    assert (len(task.train), len(task.test)) == (size, facts["test"])
    for split in (task.train, task.test):
        assert (float(split.x.min()) >= 0, float(split.x.max()) <= 1) == (True, True)
        assert split.x.dtype == torch.float32
        assert split.y.unique().tolist() == list(range(len(facts["classes"])))
    dims = 1 if facts["layout"] == "points" else 3
    assert len(task.mean) == task.shape[0]
    rest = [d for d in range(task.train.x.ndim) if d != 1 or dims == 1]
    if dims == 1:
        rest = [0]
    assert torch.allclose(task.train.x.mean(rest), torch.tensor(task.mean), atol=1e-5)


@pytest.mark.parametrize("name", LOCAL)
def test_data_is_the_same_every_time(name: str) -> None:
    torch.manual_seed(1)
    first = Dataset.of({"name": name}).load(None)
    torch.manual_seed(2)
    second = Dataset.of({"name": name}).load(None)
    assert torch.equal(first.train.x, second.train.x)
    assert torch.equal(first.test.y, second.test.y)


def test_digits_are_scikit_learns() -> None:
    task = Dataset.of({"name": "digits"}).load(None)
    x = torch.cat([task.train.x, task.test.x]).view(1797, 64)
    y = torch.cat([task.train.y, task.test.y])
    theirs = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x * 16, torch.from_numpy(theirs.data).float()[order])
    assert torch.equal(y, torch.from_numpy(theirs.target)[order])


def test_train_and_test_points_differ() -> None:
    for name in ("moons", "spirals"):
        task = Dataset.of({"name": name, "examples": 1000}).load(None)
        assert not torch.equal(task.train.x, task.test.x)


def test_missing_data_names_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.lab.core.hub._reachable", lambda: False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    for name in ("mnist", "cifar10"):
        with pytest.raises(LabError, match=r"NORMSCOPE_DATASETS_DIR.*huggingface\.co") as caught:
            Dataset.of({"name": name}).load(None)
        assert caught.value.code == "dataset_missing"


def test_a_folder_without_data_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    with pytest.raises(LabError, match="the folder mnist of NORMSCOPE_DATASETS_DIR"):
        Dataset.of({"name": "mnist"}).load(tmp_path)


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


def test_every_dataset_is_covered_here() -> None:
    assert set(entries("dataset")) == {*LOCAL, "mnist", "cifar10"}
