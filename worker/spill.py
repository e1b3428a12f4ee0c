"""Entries that wait for the broker: in memory while they are few, the rest in a file, in order."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from itertools import islice
from pathlib import Path

MEMORY_BYTES = 4 * 2**20
HEAD_ENTRIES = 64

logger = logging.getLogger(__name__)


class Spill:
    """A queue of JSON arrays. The oldest lie in the file when there is one, one array a line."""

    def __init__(self, path: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self.path, self.memory_bytes = path, memory_bytes
        self._memory: deque[bytes] = deque()
        self._bytes = 0
        self._read = self._written = 0

    def __bool__(self) -> bool:
        return bool(self._memory) or self._in_file

    @property
    def _in_file(self) -> bool:
        return self._read < self._written

    def append(self, entry: bytes) -> None:
        """The newest; moves what waits in memory into the file when it is too much."""
        self._memory.append(entry)
        self._bytes += len(entry)
        if self._bytes > self.memory_bytes:
            self._write()

    def _write(self) -> None:
        """On a full disk what waits stays in memory: losing it would be worse."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self._written else "wb") as file:
                file.seek(self._written)
                file.writelines(entry + b"\n" for entry in self._memory)
                end = file.tell()
        except OSError as error:
            logger.warning("events cannot be kept in %s: %s", self.path, error)
            return
        self._written = end
        self._forget(len(self._memory))

    def _forget(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._memory.popleft())

    def head(self) -> list[bytes]:
        """The oldest entries, a few."""
        if not self._in_file:
            return list(islice(self._memory, HEAD_ENTRIES))
        with self.path.open("rb") as file:
            file.seek(self._read)
            return [line.rstrip(b"\n") for line in islice(file, HEAD_ENTRIES)]

    def holds_only(self, entries: list[bytes]) -> bool:
        """Whether nothing waits behind the head `entries`."""
        if self._in_file:
            return not self._memory and self._read + _size(entries) == self._written
        return len(self._memory) == len(entries)

    def told(self, entries: list[bytes]) -> None:
        """The head `entries` need not wait any more."""
        if not self._in_file:
            self._forget(len(entries))
            return
        self._read += _size(entries)
        if not self._in_file:
            self._drop()

    def clear(self) -> None:
        self._forget(len(self._memory))
        self._drop()

    def _drop(self) -> None:
        if self._written:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
        self._read = self._written = 0


def _size(entries: list[bytes]) -> int:
    """In the file, line ends included."""
    return sum(len(entry) + 1 for entry in entries)
