"""Objects under a URL, such as s3://bucket/prefix: each is there whole, or not at all.

fsspec, which speaks to the store, is needed only where such a URL is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
CHUNK = 2**20


class Found(NamedTuple):
    """An object as a listing tells it."""

    bytes: int
    changed_at: float


class Bucket:
    """Whatever the store or the way to it does, what is raised is an OSError; an object that is
    not there is a FileNotFoundError."""

    def __init__(self, url: str, endpoint: str | None = None) -> None:
        self.url, self.endpoint = url.rstrip("/"), endpoint

    def put(self, file: Path, name: str) -> None:
        """Copy a file up. Readers see the object as it was until all of it is there."""
        _ask(lambda: self._system.put_file(str(file), self._place(name)))

    def get(self, name: str, file: Path) -> None:
        """Copy an object down, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        half = file.with_name(f".{file.name}.{os.getpid()}")
        try:
            _ask(lambda: self._system.get_file(self._place(name), str(half)))
            half.replace(file)
        finally:
            half.unlink(missing_ok=True)

    def chunks(self, name: str) -> Iterator[bytes]:
        """An object, a piece at a time."""
        with _ask(lambda: self._system.open(self._place(name), "rb")) as opened:
            while piece := _ask(lambda: opened.read(CHUNK)):
                yield piece

    def find(self, prefix: str = "") -> dict[str, Found]:
        """All objects below a name."""
        place = self._place(prefix).rstrip("/")
        try:
            listed = _ask(lambda: self._system.find(place, detail=True))
        except FileNotFoundError:
            return {}
        return {
            path.removeprefix(self._place("")): Found(int(told["size"]), _moment(told))
            for path, told in listed.items()
        }

    def remove(self, names: Iterable[str]) -> None:
        """Those that are there."""
        for name in names:
            try:
                _ask(lambda name=name: self._system.rm_file(self._place(name)))  # type: ignore[misc]
            except FileNotFoundError:
                continue

    @cached_property
    def _system(self) -> Any:
        import fsspec

        endpoint = {"endpoint_url": self.endpoint} if self.endpoint else {}
        return fsspec.core.url_to_fs(self.url, use_listings_cache=False, **endpoint)[0]

    def _place(self, name: str) -> str:
        return f"{self.url.partition('://')[2]}/{name}"


def _ask(call: Callable[[], T]) -> T:
    try:
        return call()
    except OSError:
        raise
    except Exception as error:  # whatever transports and their libraries raise
        raise OSError(f"the object store does not answer ({type(error).__name__})") from error


def _moment(told: dict[str, Any]) -> float:
    at = told.get("LastModified")
    return float(at.timestamp()) if at is not None else 0.0
