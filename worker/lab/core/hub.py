"""Pictures out of parquet files: a folder's, or the Hugging Face hub's."""

from __future__ import annotations

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from worker.lab.core.errors import LabError
from worker.lab.core.task import Split

REACH_S = 5
SPLITS = ("train", "test")


def pictures(
    name: str,
    hub: str,
    folder: Path | None,
    limit: int | None = None,
    label: str = "label",
    within: str = "**",
) -> tuple[Split, Split]:
    """The first `limit` training pictures, and all of the test split, in [0, 1].

    Read from the parquet files in `folder/name` if that is there, else from those of the hub's
    `hub` that lie in its folder `within`, fetched once: `train*.parquet` and `test*.parquet`, one
    column of encoded pictures and an integer column `label`. Decoding takes seconds for tens of
    thousands of pictures, so bytes are kept in the cache of Hugging Face's data sets.

    Raises LabError("dataset_missing") naming both ways.
    """
    own = folder / name if folder is not None and (folder / name).is_dir() else None
    try:
        files = _files(own or _fetched(hub, within))
        tensors = _tensors(name, label, files)
    except Exception as error:  # whatever transports, disks and decoders raise
        where = f"the folder {name} of NORMSCOPE_DATASETS_DIR" if own else f"{hub} on the hub"
        raise LabError(
            "dataset_missing",
            f"{name} cannot be read from {where} ({type(error).__name__}). Either put its parquet "
            f"files into {name} in the folder that NORMSCOPE_DATASETS_DIR names, or let this "
            f"machine reach huggingface.co, from where {hub} is fetched once.",
        ) from error
    return _split(tensors, "train", limit), _split(tensors, "test", None)


def _files(folder: Path) -> dict[str, list[Path]]:
    """The parquet files of each split. Raises FileNotFoundError where one has none."""
    found = {split: sorted(folder.rglob(f"{split}*.parquet")) for split in SPLITS}
    if not all(found.values()):
        raise FileNotFoundError(folder)
    return found


def _fetched(hub: str, within: str) -> Path:
    """The hub's files on this disk: those of an earlier time, else fetched now."""
    from huggingface_hub import snapshot_download  # jobs on other data need none of it
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled as quiet
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    wanted: dict[str, Any] = {
        "repo_type": "dataset",
        "allow_patterns": [f"{within}/{split}*.parquet" for split in SPLITS],
    }
    with suppress(LocalEntryNotFoundError, FileNotFoundError):
        known = Path(snapshot_download(hub, local_files_only=True, **wanted))
        _files(known)
        return known
    if not _reachable():  # half a minute of retries otherwise
        raise ConnectionError(hub)
    shown = not quiet()
    disable_progress_bars()
    try:
        return Path(snapshot_download(hub, **wanted))
    finally:
        if shown:
            enable_progress_bars()


def _reachable() -> bool:
    """Whether the hub answers at all, through proxies if the environment names any."""
    from huggingface_hub import constants

    try:
        with urlopen(constants.ENDPOINT, timeout=REACH_S):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def _tensors(name: str, label: str, files: dict[str, list[Path]]) -> dict[str, Tensor]:
    """Pictures (N, C, H, W) as bytes and labels (N,) of both splits: as kept, else decoded."""
    kept = _cache() / f"{name}-{_print(label, files)}.safetensors"
    try:
        return load_file(kept)
    except (OSError, SafetensorError):
        tensors = {
            f"{split}.{part}": tensor
            for split in SPLITS
            for part, tensor in zip("xy", _decoded(files[split], label), strict=True)
        }
        _keep(tensors, kept)
        return tensors


def _print(label: str, files: dict[str, list[Path]]) -> str:
    """Changes when the files do."""
    told = hashlib.sha256(label.encode())
    for path in (path for split in SPLITS for path in files[split]):
        facts = path.stat()
        told.update(f"{path.name} {facts.st_size} {facts.st_mtime_ns};".encode())
    return told.hexdigest()[:16]


def _decoded(paths: list[Path], label: str) -> tuple[Tensor, Tensor]:
    from PIL import Image
    from pyarrow import parquet, types

    pictures: list[Tensor] = []
    labels: list[int] = []
    for table in map(parquet.read_table, paths):
        column = next(field.name for field in table.schema if types.is_struct(field.type))
        for chunk in table.column(column).chunks:
            arrays = [
                np.asarray(Image.open(io.BytesIO(data.as_py()))) for data in chunk.field("bytes")
            ]
            pictures.append(torch.from_numpy(np.stack(arrays)))
        labels += table.column(label).to_pylist()
    x = torch.cat(pictures)
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    return x.contiguous(), torch.tensor(labels)


def _split(tensors: dict[str, Tensor], name: str, limit: int | None) -> Split:
    x, y = tensors[f"{name}.x"][:limit], tensors[f"{name}.y"][:limit]
    return Split(x.float().div_(255), y.long())


def _cache() -> Path:
    from huggingface_hub import constants

    own = os.environ.get("HF_DATASETS_CACHE")
    return (Path(own) if own else Path(constants.HF_HOME) / "datasets") / "normscope"


def _keep(tensors: dict[str, Tensor], path: Path) -> None:
    """Best effort: a full or read-only disk only costs the next run its seconds."""
    part = path.with_suffix(f".{os.getpid()}.part")
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, part)
        part.replace(path)
