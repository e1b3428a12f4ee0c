"""Trained networks on disk: safetensors only, written whole or not at all, checked first."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from worker.contract.spec import TrainSpec
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError
from worker.lab.core.method import Method
from worker.lab.core.model import Model
from worker.lab.core.task import Task


@dataclass(frozen=True)
class Written:
    """What a `Saved` event tells of a file."""

    bytes: int
    sha256: str


def write(path: Path, data: bytes) -> Written:
    """Write a file atomically: a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
        _sync(path.parent)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Written(len(data), hashlib.sha256(data).hexdigest())


def _sync(folder: Path) -> None:
    """A name outlives a crash of the machine once its folder is written too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def save(model: nn.Module, path: Path, metadata: Mapping[str, str]) -> Written:
    """Write the model's parameters and buffers atomically, with text beside them in the header."""
    return store(path, model.state_dict(), metadata)


def store(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Written:
    """Write tensors atomically, with text beside them in the header."""
    # Copies, because safetensors refuses tensors that share memory, as tied weights do.
    copies = {name: copied(tensor) for name, tensor in tensors.items()}
    return write(path, to_bytes(copies, dict(metadata)))


def metadata(path: Path) -> dict[str, str]:
    """The text in a checkpoint's header. Raises LabError(code="bad_checkpoint")."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise _bad(path, f"cannot be read: {error}") from error


def restore(model: nn.Module, path: Path) -> None:
    """Load a checkpoint into a model of the same architecture, on the model's device.

    Names, shapes and types in the header are compared before any tensor is read.
    Raises LabError(code="bad_checkpoint") naming the first tensor that does not fit.
    """
    wanted = model.state_dict()
    try:
        with safe_open(path, framework="pt") as file:
            _compare(path, wanted, {name: file.get_slice(name) for name in file.keys()})  # noqa: SIM118
            model.load_state_dict({name: file.get_tensor(name) for name in wanted})
    except (SafetensorError, OSError) as error:
        raise _bad(path, f"cannot be read: {error}") from error


def load(checkpoint: Path, spec: TrainSpec, datasets: Path | None) -> tuple[nn.Module, Task]:
    """The network that a training run left, in eval mode on the CPU, and the task it learned.

    Raises LabError: "bad_checkpoint", "bad_spec", or what loading the data set raises.
    """
    task = Dataset.of(spec.dataset).load(datasets)
    model = untrained(spec, task)
    restore(model, checkpoint)
    for name, tensor in model.state_dict().items():
        if not tensor.isfinite().all():
            raise _bad(checkpoint, f"holds a number in {name!r} that is not finite")
    return model.eval(), task


def load_other(file: Path, spec: TrainSpec, datasets: Path | None, task: Task) -> nn.Module:
    """The network that another run left, to be tried on a task. Raises LabError: what `load`
    raises, and "bad_spec" where it knows other inputs or classes."""
    model, learned = load(file, spec, datasets)
    if (learned.shape, learned.classes) != (task.shape, task.classes):
        raise LabError("bad_spec", "transfer_from: it knows inputs or classes of another kind")
    return model


def untrained(spec: TrainSpec, task: Task) -> nn.Module:
    """The network as it is at step 0 of a run, on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model: nn.Module = Model.of(spec.model).build(task)
        for choice in spec.methods:
            model = Method.of(choice).prepare(model, task)
    return model


def copied(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous().clone()


_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def _compare(path: Path, wanted: Mapping[str, Tensor], found: Mapping[str, object]) -> None:
    for name in sorted(wanted.keys() ^ found.keys()):
        lack = "lacks" if name in wanted else "has an unknown"
        raise _bad(path, f"{lack} tensor {name!r}")
    for name, tensor in wanted.items():
        slice_ = found[name]
        here = tuple(slice_.get_shape()), slice_.get_dtype()  # type: ignore[attr-defined]
        there = tuple(tensor.shape), _TYPES.get(tensor.dtype, str(tensor.dtype))
        if here != there:
            raise _bad(path, f"{name!r} is {here[1]} {here[0]}, the model's {there[1]} {there[0]}")


def _bad(path: Path, why: str) -> LabError:
    return LabError("bad_checkpoint", f"checkpoint {path.name} {why}")
