"""A whole installation in one file, while it runs, and back into an empty one.

python -m backend backup FILE
python -m backend restore FILE

The database is one snapshot, the same form from SQLite and PostgreSQL; beside it lie the files
that jobs left. States to resume from are copied before the snapshot, so that none of them is ahead
of what was measured. The installation's own token and its logs are not in it.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from backend.archive import ArchiveError, Reader, Writer
from backend.store import artifacts, dump
from backend.store.engine import Store, migrate, revisions
from worker.contract.artifacts import Artifacts
from worker.contract.settings import Settings

KIND = "normscope installation"
STATES = "*/*/resume-*.safetensors"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The commands' arguments; `run` of what they parse to does it."""
    take = commands.add_parser("backup", help="everything into one file")
    take.set_defaults(run=_backup)
    give = commands.add_parser("restore", help="everything back, into an empty installation")
    give.set_defaults(run=_restore)
    for command in (take, give):
        command.add_argument("file", type=Path)


def _backup(settings: Settings, store: Store, given: argparse.Namespace) -> str:
    files = backup(settings, store, given.file)
    return f"{given.file}: {given.file.stat().st_size} bytes, files of jobs: {files}"


def _restore(settings: Settings, store: Store, given: argparse.Namespace) -> str:
    rows, files = restore(settings, store, given.file)
    return f"back are rows: {rows}, files of jobs: {files}"


def backup(settings: Settings, store: Store, file: Path) -> int:
    """Write the archive, whole or not at all; how many files of jobs are in it. Raises OSError."""
    if file.exists():
        raise FileExistsError(f"{file} is there already")
    half = file.with_name(f".{file.name}.{os.getpid()}")
    private = os.open(half, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)  # it has tokens' hashes
    try:
        with os.fdopen(private, "w+b") as opened:
            count = _written(settings, store, opened)
        half.rename(file)
    finally:
        half.unlink(missing_ok=True)
    return count


def _written(settings: Settings, store: Store, file: IO[bytes]) -> int:
    folder, files = settings.data_dir / "artifacts", Artifacts(settings)
    with store.read() as connection:
        form = dump.revision(connection)
    with Writer(file, KIND, form) as archive:
        count = 0
        for state in sorted(folder.glob(STATES)):
            count += archive.add_file(f"artifacts/{state.relative_to(folder)}", state)
        for job, attempt, name in files.states():
            with files.file(job, attempt, name) as path:
                count += archive.add_file(f"artifacts/{job}/{attempt}/{name}", path)
        with store.read() as connection:
            for table in dump.tables(connection):
                archive.add(f"tables/{table.name}.jsonl", dump.lines(connection, table))
            left = artifacts.everything(connection)
        for row in left:
            place = f"{row['job']}/{row['attempt']}/{row['name']}"
            with files.file(row["job"], row["attempt"], row["name"]) as path:
                count += archive.add_file(f"artifacts/{place}", path)
    return count


def restore(settings: Settings, store: Store, file: Path) -> tuple[int, int]:
    """Put everything back; how many rows and files. Raises ArchiveError, which leaves all as it
    was, where the archive is damaged or something is here already."""
    folder = settings.data_dir / "artifacts"
    with Reader(file, KIND) as archive:
        if archive.manifest.revision not in revisions():
            raise ArchiveError("it was made by another version of Normscope")
        _require_empty(store, folder)
        if Artifacts(settings).jobs():
            raise ArchiveError(f"{settings.artifacts_url} is not empty")
        archive.check()
        coming = folder.with_name(f".{folder.name}.{os.getpid()}")
        try:
            files = _unpacked(archive, coming)
            rows = _loaded(archive, store)
            coming.rename(folder)  # over the empty one, where there is one
            Artifacts(settings).put(folder.resolve())
        finally:
            shutil.rmtree(coming, ignore_errors=True)
    return rows, files


def _require_empty(store: Store, folder: Path) -> None:
    with store.read() as connection:
        if not dump.empty(connection):
            raise ArchiveError("this installation has jobs, tokens or a log already")
    if folder.exists() and any(folder.iterdir()):
        raise ArchiveError(f"{folder} is not empty")


def _unpacked(archive: Reader, folder: Path) -> int:
    folder.mkdir(parents=True)
    names = [name for name in archive.members if name.startswith("artifacts/")]
    for name in names:
        archive.unpack(name, folder / name.removeprefix("artifacts/"))
    return len(names)


def _loaded(archive: Reader, store: Store) -> int:
    """The rows, in the form that they had, and then in today's."""
    migrate(store.engine, archive.manifest.revision)
    try:
        with store.write() as connection:
            tables = dump.tables(connection)
            return sum(
                dump.load(connection, table, archive.lines(f"tables/{table.name}.jsonl"))
                for table in tables
            )
    except (SQLAlchemyError, KeyError, StopIteration) as error:
        raise ArchiveError(f"its tables do not fit ({type(error).__name__})") from error
    finally:
        migrate(store.engine)
