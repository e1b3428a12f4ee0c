"""Which files of jobs have had their time: by age, beyond the room for all, and strays.

python -m backend clean [--dry-run]

What goes are files and what is known of them; a job and its measurements stay. A job that has not
ended keeps everything, and so does a training that such a job starts from. What failed or was
cancelled can be resumed: it keeps its files for `NORMSCOPE_RESUME_DAYS`, whatever else is asked.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from backend.store import artifacts, jobs
from backend.store.engine import Store
from worker.contract.artifacts import Artifacts
from worker.contract.bucket import Bucket, Found
from worker.contract.settings import Settings

log = logging.getLogger(__name__)

DAY_S = 86_400.0
STRAY_S = DAY_S
"""Before, a folder of no job may be that of one that is being imported."""
FIRST_S, EVERY_S = 60.0, 3600.0


class Due(NamedTuple):
    """A folder that should go: of a job that ended then, or of none."""

    path: Path
    bytes: int
    ended_at: float | None
    why: str


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments; `run` of what they parse to does it."""
    command = commands.add_parser("clean", help="remove files of jobs that have had their time")
    command.add_argument("--dry-run", action="store_true", help="only say what would go")
    command.set_defaults(run=_run)


def _run(settings: Settings, store: Store, given: argparse.Namespace) -> str:
    found, bucket = due(settings, store), Artifacts(settings).bucket
    gone = found if given.dry_run else [one for one in found if remove(store, one, bucket)]
    lines = [f"{one.path.name}  {one.bytes} bytes  {one.why}" for one in gone]
    end = "would go" if given.dry_run else "gone"
    return "\n".join([*lines, f"{end}: {len(gone)}, {sum(one.bytes for one in gone)} bytes"])


def keep_clean(settings: Settings, store: Store, stop: threading.Event) -> None:
    """Remove what is due, once an hour, until told to stop."""
    wait = FIRST_S
    while not stop.wait(wait):
        wait = EVERY_S
        try:
            for one in due(settings, store):
                if remove(store, one, Artifacts(settings).bucket):
                    log.warning("%s: %d bytes removed, %s", one.path.name, one.bytes, one.why)
        except (SQLAlchemyError, OSError) as error:
            log.warning("not cleaned: %s", type(error).__name__)


def due(settings: Settings, store: Store) -> list[Due]:
    """What has had its time, the oldest first. Folders are listed before the jobs are: a job is
    known before it has files."""
    folder, now, there = settings.data_dir / "artifacts", time.time(), _there(settings)
    with store.read() as connection:
        known, needed = jobs.endings(connection), set(jobs.needed(connection))
    found = [
        Due(folder / name, one.bytes, None, "of no job")
        for name, one in there.items()
        if name not in known and now - one.changed_at > STRAY_S
    ]
    sizes = {name: one.bytes for name, one in there.items() if name in known}
    total = sum(sizes.values())
    ended = sorted((known[name].ended_at or now, name) for name in sizes if name not in needed)
    for at, name in ended:
        if not _may_go(settings, known[name], now):
            continue
        if why := _why(settings, now - at, total):
            found.append(Due(folder / name, sizes[name], at, why))
            total -= sizes[name]
    return found


def _there(settings: Settings) -> dict[str, Found]:
    """Every folder of files, here and in the object store."""
    files = Artifacts(settings)
    here = sorted(files.folder.iterdir()) if files.folder.exists() else []
    found = {path.name: Found(_size(path), path.stat().st_mtime) for path in here}
    return found | files.jobs()


def _may_go(settings: Settings, job: jobs.Ending, now: float) -> bool:
    if job.state not in jobs.ENDED or job.ended_at is None:
        return False
    return job.state == "succeeded" or now - job.ended_at > settings.resume_days * DAY_S


def _why(settings: Settings, age_s: float, total: int) -> str:
    if settings.keep_days is not None and age_s > settings.keep_days * DAY_S:
        return "older than NORMSCOPE_KEEP_DAYS"
    if settings.keep_gb is not None and total > settings.keep_gb * 1e9:
        return "beyond NORMSCOPE_KEEP_GB"
    return ""


def _size(folder: Path) -> int:
    return sum(_bytes(folder))


def _bytes(folder: Path) -> Iterator[int]:
    for path in folder.rglob("*"):
        try:
            yield path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue  # it went while it was looked at


def remove(store: Store, one: Due, bucket: Bucket | None = None) -> bool:
    """False where somebody resumed the job meanwhile, needs it, or removed it."""
    going = one.path.with_name(f".going-{secrets.token_hex(8)}")
    try:
        with store.write() as connection:
            if one.ended_at is not None and not _forget(connection, one):
                return False
            if bucket is not None:
                bucket.remove(bucket.find(f"{one.path.name}/"))
                if not one.path.exists():
                    return True
            one.path.rename(going)  # at once: who resumes the job next finds nothing of it
    except FileNotFoundError:
        return False
    shutil.rmtree(going, ignore_errors=True)
    return True


def _forget(connection: Connection, one: Due) -> bool:
    """Drop what is known of the files, if the job is still as it was seen."""
    id = one.path.name
    seen = jobs.endings(connection, id).get(id)
    if seen is None or seen.ended_at != one.ended_at or id in jobs.needed(connection):
        return False
    artifacts.forget(connection, id)
    return True
