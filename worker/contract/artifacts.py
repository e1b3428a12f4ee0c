"""The files that jobs leave: in a folder or, where `NORMSCOPE_ARTIFACTS_URL` names one, in an
object store that all hosts share. There a file is put first and told of afterwards.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.contract.bucket import Bucket, Found
from worker.contract.settings import Settings
from worker.contract.wire import artifact_path


class Artifacts:
    """Those of one installation."""

    def __init__(self, settings: Settings) -> None:
        self.folder = (settings.data_dir / "artifacts").resolve()
        self._settings = settings
        url = settings.artifacts_url
        self.bucket = Bucket(url, settings.artifacts_endpoint) if url else None

    def path(self, job: str, attempt: int, name: str) -> Path:
        """Where the file lies on this machine, if it does; ValueError where it never could."""
        return artifact_path(self._settings.data_dir, job, attempt, name)

    @contextmanager
    def file(self, job: str, attempt: int, name: str) -> Iterator[Path]:
        """The file to read while the block lasts; a path where nothing is, if it is gone."""
        path = self.path(job, attempt, name)
        if self.bucket is None or path.is_file():
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            with suppress(FileNotFoundError):
                self.bucket.get(self._name(path), copy)
            yield copy

    def chunks(self, path: Path) -> Iterator[bytes] | None:
        """A file that is not here, from the store; None where it is nowhere. Raises OSError."""
        if self.bucket is None or not self.bucket.find(self._name(path)):
            return None
        return self.bucket.chunks(self._name(path))

    def put(self, below: Path) -> None:
        """A folder's files of jobs, or one file, to the store if there is one."""
        if self.bucket is not None:
            for file in [below] if below.is_file() else sorted(below.rglob("*")):
                if file.is_file():
                    self.bucket.put(file, self._name(file))

    def remove(self, job: str) -> None:
        """All that the job left."""
        shutil.rmtree(self.folder / job, ignore_errors=True)
        if self.bucket is not None:
            self.bucket.remove(self.bucket.find(f"{job}/"))

    def states(self) -> list[tuple[str, int, str]]:
        """What jobs in the store remember to go on from: job, attempt and name."""
        names = self.bucket.find() if self.bucket is not None else ()
        found = [Path(name) for name in names if Path(name).match("*/*/resume-*.safetensors")]
        return [(one.parts[0], int(one.parts[1]), one.name) for one in found]

    def jobs(self) -> dict[str, Found]:
        """Of each job in the store, the size of its files and when the newest was put."""
        found: dict[str, Found] = {}
        for name, one in self.bucket.find().items() if self.bucket is not None else ():
            job = name.partition("/")[0]
            so_far = found.get(job, Found(0, 0.0))
            newest = max(so_far.changed_at, one.changed_at)
            found[job] = Found(so_far.bytes + one.bytes, newest)
        return found

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()
