"""Pictures from a Hugging Face data set: a folder, or the hub."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
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


def pictures(name: str, hub: str, folder: Path | None) -> tuple[Split, Split]:
    """Train and test split of a data set with one image and one `label` column.

    Taken from `folder/name` if that is there, else from the hub's `hub`. Decoding takes seconds for
    tens of thousands of pictures, so the bytes are kept beside the library's own cache.
    Raises LabError("dataset_missing") naming both ways.
    """
    found = _loaded(name, hub, folder)
    prints = [found[split]._fingerprint for split in ("train", "test")]
    kept = _cache() / f"{'-'.join([name, *prints])}.safetensors"
    try:
        tensors = load_file(kept)
    except (OSError, SafetensorError):
        tensors = {
            f"{split}.{part}": tensor
            for split in ("train", "test")
            for part, tensor in zip("xy", _decoded(found[split]), strict=True)
        }
        _keep(tensors, kept)
    return _split(tensors, "train"), _split(tensors, "test")


def _loaded(name: str, hub: str, folder: Path | None) -> Any:
    import datasets  # takes a second, and jobs on other data need none of it

    own = folder / name if folder is not None and (folder / name).is_dir() else None
    try:
        with _quiet(offline=own is not None or not _reachable()):
            return datasets.load_dataset(str(own) if own else hub)
    except Exception as error:  # the library raises whatever its transports raise
        where = f"the folder {name} of NORMSCOPE_DATASETS_DIR" if own else f"{hub} on the hub"
        raise LabError(
            "dataset_missing",
            f"{name} cannot be read from {where} ({type(error).__name__}). Either put its parquet "
            f"files into {name} in the folder that NORMSCOPE_DATASETS_DIR names, or let this "
            f"machine reach huggingface.co, from where {hub} is fetched once.",
        ) from error


@contextmanager
def _quiet(offline: bool) -> Iterator[None]:
    """No progress bars; and, without a network, no half minute of retries before the cache."""
    import datasets
    import huggingface_hub

    switches = [datasets.config, huggingface_hub.constants]
    before = [switch.HF_HUB_OFFLINE for switch in switches]
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    for switch in switches:
        switch.HF_HUB_OFFLINE |= offline
    try:
        yield
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.HF_HUB_OFFLINE = value
        if shown:
            datasets.enable_progress_bars()


def _reachable() -> bool:
    """Whether the hub answers at all, through proxies if the environment names any."""
    from huggingface_hub.constants import ENDPOINT

    try:
        with urlopen(ENDPOINT, timeout=REACH_S):
            return True
    except HTTPError:
        return True
    except OSError:
        return False


def _decoded(split: Any) -> tuple[Tensor, Tensor]:
    """Pictures (N, channels, height, width) as bytes, and labels (N,)."""
    from datasets import Image
    from PIL import Image as Decoder

    column = next(key for key, kind in split.features.items() if isinstance(kind, Image))
    raw = split.cast_column(column, Image(decode=False)).data.column(column)
    arrays = [
        np.asarray(Decoder.open(io.BytesIO(data.as_py())))
        for chunk in raw.chunks
        for data in chunk.field("bytes")
    ]
    x = torch.from_numpy(np.stack(arrays))
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
    return x.contiguous(), torch.tensor(split.data.column("label").to_pylist())


def _split(tensors: dict[str, Tensor], name: str) -> Split:
    return Split(tensors[f"{name}.x"].float().div_(255), tensors[f"{name}.y"].long())


def _cache() -> Path:
    import datasets

    return Path(datasets.config.HF_DATASETS_CACHE) / "normscope"


def _keep(tensors: dict[str, Tensor], path: Path) -> None:
    """Best effort: a full or read-only disk only costs the next run its seconds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{id(tensors)}.part")
        save_file(tensors, part)
        part.replace(path)
    except OSError:
        return
