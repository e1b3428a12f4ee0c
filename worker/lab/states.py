"""The states that a job leaves for its next attempt: whole or not at all, the last few kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from worker.lab import checkpoint
from worker.lab.core.errors import LabError

PREFIX, SUFFIX = "resume-", ".safetensors"
DIGEST = "digest"


@dataclass(frozen=True)
class Keeping:
    """How often a run leaves a state and how many stay. A state is left once all events up to the
    number of its moment are `settled`: what the next attempt does not measure again must not be
    lost with this one."""

    every_s: float = 15.0
    last: int = 2
    settled: Callable[[int], bool] = lambda seq: True


class State(NamedTuple):
    """All that a job remembers."""

    tensors: dict[str, Tensor]
    text: dict[str, str]


class States:
    """The files of one attempt: those it was given, the newest first, and those that it leaves in
    `folder`; of all of them the `last` few stay."""

    def __init__(self, folder: Path | None, given: Sequence[Path] = (), last: int = 2) -> None:
        self.folder, self.last = folder, last
        self._files = list(reversed(given))
        self._damaged: list[Path] = []
        self.refused = False

    def newest(self) -> tuple[State | None, list[str]]:
        """The newest state that is whole, and what is wrong with every one that is newer."""
        problems: list[str] = []
        while self._files:
            try:
                return read(self._files[-1]), problems
            except LabError as error:
                problems.append(error.message)
                self._damaged.append(self._files.pop())
        return None, problems

    def save(self, step: int, state: State) -> str | None:
        """Write a state, and let go of the oldest. A disk that refuses is no reason to end a job:
        it is `refused`, all is as it was, and the first time returns why."""
        first, self.refused = not self.refused, False
        try:
            self._save(step, state)
        except OSError as error:
            self.refused = True
            why = f"the state at step {step} could not be saved ({error.strerror or error})"
            return f"{why}; the job goes on" if first else None
        return None

    def _save(self, step: int, state: State) -> None:
        if self.folder is None:
            return
        file = self.folder / f"{PREFIX}{step:010d}{SUFFIX}"
        text = {**state.text, DIGEST: digest(state)}
        checkpoint.store(file, state.tensors, text)
        self._files = [*(one for one in self._files if one != file), file]
        remove([*self._damaged, *self._files[: -self.last]])
        self._files = self._files[-self.last :]

    def clear(self) -> None:
        """The job is done."""
        remove([*self._damaged, *self._files])


def left(folders: Iterable[Path]) -> list[Path]:
    """The states in some folders, those of the first folder first and the newest of each first."""
    return [file for folder in folders for file in sorted(folder.glob(f"{PREFIX}*{SUFFIX}"))[::-1]]


def forget(folders: Iterable[Path]) -> None:
    """Remove all states, and what a killed process left half-written."""
    for folder in folders:
        remove([*left([folder]), *folder.glob(f".{PREFIX}*")])


def remove(files: Iterable[Path]) -> None:
    """A state too many is no reason to fail."""
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def read(file: Path) -> State:
    """Raises LabError(code="bad_checkpoint") where a single bit is not as it was written."""
    try:
        with safe_open(file, framework="pt") as opened:
            text = dict(opened.metadata() or {})
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise LabError("bad_checkpoint", f"{file.name} cannot be read: {error}") from error
    written = text.pop(DIGEST, None)
    state = State(tensors, text)
    if written != digest(state):
        raise LabError("bad_checkpoint", f"{file.name} is not as it was written")
    return state


def digest(state: State) -> str:
    """SHA-256 of every name, type, shape, byte and word."""
    found = hashlib.sha256(json.dumps(sorted(state.text.items())).encode())
    for name, tensor in sorted(state.tensors.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(_bytes(tensor))
    return found.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    plain = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return plain.numpy().data
