"""Pictures out of parquet files, wherever these lie."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

from worker.lab.core import hub
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError

CLOSED = "http://127.0.0.1:9"
"""Nobody listens there."""
HUBS = {
    "mnist": ("ylecun/mnist", "mnist", "label"),
    "fashion_mnist": ("zalando-datasets/fashion_mnist", "fashion_mnist", "label"),
    "cifar10": ("uoft-cs/cifar10", "plain_text", "label"),
    "cifar100": ("uoft-cs/cifar100", "cifar100", "fine_label"),
    "svhn": ("ufldl-stanford/svhn", "cropped_digits", "label"),
}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Caches of its own, and no way to the hub."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", CLOSED)


def shape_of(name: str) -> tuple[int, ...]:
    channels, *sides = Dataset.of({"name": name}).shape
    return (*sides, channels) if channels > 1 else tuple(sides)


def images(name: str, count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *shape_of(name)), dtype=np.uint8)


def put(folder: Path, name: str, split: str, pictures: np.ndarray, part: str = "0") -> None:
    """A parquet file as the hub has it: encoded pictures, and labels 0, 1, 2, …"""
    folder.mkdir(parents=True, exist_ok=True)
    encoded = []
    for picture in pictures:
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "png")
        encoded.append({"bytes": out.getvalue(), "path": None})
    labels = list(range(len(pictures)))
    table = pa.table(
        {
            "picture": pa.array(
                encoded, pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            ),
            "coarse_label": [0] * len(labels),
            HUBS[name][2]: labels,
        }
    )
    parquet.write_table(table, folder / f"{split}-{part}.parquet")


@pytest.mark.parametrize("name", HUBS)
def test_pictures_come_out_of_a_folder_as_they_went_in(name: str, tmp_path: Path) -> None:
    train, test = images(name, 12, seed=0), images(name, 3, seed=1)
    put(tmp_path / name, name, "train", train)
    put(tmp_path / name, name, "test", test)
    task = Dataset.of({"name": name, "examples": 10}).load(tmp_path)
    assert task.shape == Dataset.of({"name": name}).shape
    assert torch.equal(task.train.y, torch.arange(10))
    seen = (task.train.x * 255).round().byte()
    theirs = torch.from_numpy(train[:10])
    assert torch.equal(seen, theirs[:, None] if theirs.ndim == 3 else theirs.permute(0, 3, 1, 2))
    assert len(task.test) == 3


def test_several_files_are_one_split(tmp_path: Path) -> None:
    first, second = images("mnist", 11, seed=0), images("mnist", 4, seed=1)
    put(tmp_path / "mnist" / "deeper", "mnist", "train", first, part="0")
    put(tmp_path / "mnist" / "deeper", "mnist", "train", second, part="1")
    put(tmp_path / "mnist" / "deeper", "mnist", "test", first)
    train, _ = hub.pictures("mnist", "none/none", tmp_path)
    assert torch.equal((train.x[11:, 0] * 255).round().byte(), torch.from_numpy(second))


def test_a_second_time_decodes_nothing_and_a_changed_file_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "mnist", "mnist", "train", images("mnist", 10, seed=0))
    put(tmp_path / "mnist", "mnist", "test", images("mnist", 2, seed=1))
    before, _ = hub.pictures("mnist", "none/none", tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.suffix == ".part"} == set()
    with monkeypatch.context() as patch:
        patch.setattr(hub, "_decoded", None)
        again, _ = hub.pictures("mnist", "none/none", tmp_path)
    assert torch.equal(before.x, again.x)
    put(tmp_path / "mnist", "mnist", "train", images("mnist", 11, seed=2))
    changed, _ = hub.pictures("mnist", "none/none", tmp_path)
    assert len(changed) == 11
    assert {path.name for path in (tmp_path / "mnist").iterdir()} == {
        "train-0.parquet",
        "test-0.parquet",
    }, "nothing is written where the data lie"


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    put(tmp_path / "mnist", "mnist", "train", images("mnist", 10, seed=0))
    put(tmp_path / "mnist", "mnist", "test", images("mnist", 2, seed=1))
    before, _ = hub.pictures("mnist", "none/none", tmp_path)
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:100])
    again, _ = hub.pictures("mnist", "none/none", tmp_path)
    assert torch.equal(before.x, again.x)


@pytest.mark.parametrize("name", HUBS)
def test_what_was_fetched_once_needs_no_network(name: str, tmp_path: Path) -> None:
    repository, within, _ = HUBS[name]
    known = tmp_path / "hub" / f"datasets--{repository.replace('/', '--')}"
    (known / "refs").mkdir(parents=True)
    (known / "refs" / "main").write_text("a" * 40)
    folder = known / "snapshots" / ("a" * 40) / within
    put(folder, name, "train", images(name, 10, seed=0))
    put(folder, name, "test", images(name, 2, seed=1))
    task = Dataset.of({"name": name, "examples": 10}).load(None)
    assert (len(task.train), len(task.test)) == (10, 2)


@pytest.mark.parametrize("name", [*HUBS, "colored_mnist"])
def test_missing_data_names_both_ways(name: str) -> None:
    with pytest.raises(LabError, match=r"NORMSCOPE_DATASETS_DIR.*huggingface\.co") as caught:
        Dataset.of({"name": name}).load(None)
    assert caught.value.code == "dataset_missing"
    assert HUBS.get(name, HUBS["mnist"])[0] in caught.value.message


def test_a_folder_without_data_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    with pytest.raises(LabError, match="the folder mnist of NORMSCOPE_DATASETS_DIR"):
        Dataset.of({"name": "mnist"}).load(tmp_path)
