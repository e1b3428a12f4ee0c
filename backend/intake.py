"""Jobs out of an archive that somebody sent: all of them, or none and the reason.

python -m backend import FILE

Nothing of it is believed. Ids, specs, measurements and files are held to the forms that this
installation knows; a job that is here already is never changed; what it says of another job's
network must be what that job says of itself.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from sqlalchemy import Connection

from backend import carried
from backend.access import OWN_NAME
from backend.archive import ArchiveError, Reader
from backend.carried import FOLDER, KIND, Carried, Line, Origin
from backend.errors import Problem
from backend.launch import CHECKPOINT
from backend.requests import Requests, validated
from backend.store import carried as stored
from backend.store import jobs
from backend.store.engine import Store
from backend.tensors import require_safetensors
from worker.contract import catalog
from worker.contract.artifacts import Artifacts
from worker.contract.settings import Settings

MOST_JOB = 4 * 2**20
_ROW = ("id", "kind", "state", "attempt", "name", "tags", "created_at", "started_at", "attempt_at")
_MORE = ("ended_at", "worker", "device", "step", "steps", "epoch", "epochs", "summary", "message")
_TOLD = ("catalogue", "told_attempt", "told_seq")


class Conflict(ArchiveError):
    """Another job has this id."""


class Taken(NamedTuple):
    """The ids of jobs that are new, and of those that were here already."""

    new: list[str]
    known: list[str]


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments; `run` of what they parse to does it."""
    command = commands.add_parser("import", help="the jobs of an exported file")
    command.add_argument("file", type=Path)
    command.set_defaults(run=_run)


def _run(settings: Settings, store: Store, given: argparse.Namespace) -> str:
    intake = Intake(settings, store, Requests(catalog.load()), OWN_NAME)
    taken = intake.take(given.file, None)
    here = f"; here already: {', '.join(taken.known)}" if taken.known else ""
    return f"imported: {', '.join(taken.new) or 'nothing'}{here}"


@dataclass(frozen=True)
class Intake:
    """Takes jobs in, as those of `owner`."""

    settings: Settings
    store: Store
    requests: Requests
    owner: str

    def take(self, file: Path | IO[bytes], most_bytes: int | None) -> Taken:
        """Raises ArchiveError, and Conflict where an id means another job here."""
        artifacts = self.settings.data_dir / "artifacts"
        coming = artifacts / f".coming-{secrets.token_hex(8)}"
        with Reader(file, KIND, most_bytes) as archive:
            found = {job.id: job for job in _jobs(archive)}
            specs = {id: self._spec(id, job.kind, job.spec) for id, job in found.items()}
            coming.mkdir(parents=True)
            try:
                for job in found.values():
                    _unpack(archive, job, coming / job.id)
                    _measured(archive, job, _lines_of(coming, job))
                with self.store.write() as connection:
                    new = [j for j in found.values() if not _here(connection, j, specs[j.id])]
                    for job in found.values():
                        self._require_sources(connection, job, specs)
                    for job in new:
                        self._add(connection, archive, job, specs[job.id])
                        _add_measured(connection, job, _lines_of(coming, job))
                    for job in new:
                        _settle(coming / job.id, artifacts / job.id)
                        Artifacts(self.settings).put(artifacts.resolve() / job.id)
            finally:
                shutil.rmtree(coming, ignore_errors=True)
        names = [job.id for job in new]
        return Taken(names, [id for id in found if id not in names])

    def _spec(self, id: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        """As this installation writes it; what it does not know it cannot show, nor run again."""
        try:
            asked = validated(self.requests.job, {"kind": kind, "spec": spec})
        except Problem as problem:
            raise ArchiveError(f"{_place(id)}/job.json: {problem.detail}") from problem
        return asked.spec.model_dump(mode="json")

    def _require_sources(
        self, connection: Connection, job: Carried, specs: dict[str, dict[str, Any]]
    ) -> None:
        """What a job says that it started from is what those trainings are, as far as they are
        known: no archive speaks about a network that is not its own."""
        place = f"{_place(job.id)}/job.json"
        if (job.source is None) != (job.kind == "train"):
            raise ArchiveError(f"{place}: source: only a training has none")
        if job.source is not None and job.source.job != job.spec.get("source"):
            raise ArchiveError(f"{place}: source: not that of the spec")
        for origin in (job.source, *job.source.peers) if job.source else ():
            if origin is not job.source and origin.peers:
                raise ArchiveError(f"{place}: source: a peer has no peers")
            row = jobs.get(connection, origin.job)
            known = specs.get(origin.job) or (row["spec"] if row else None)
            if known not in (None, origin.spec, self._spec(job.id, "train", origin.spec)):
                raise ArchiveError(f"{place}: source: {origin.job} is another job")

    def _add(
        self, connection: Connection, archive: Reader, job: Carried, spec: dict[str, Any]
    ) -> None:
        told = job.model_dump(mode="json", exclude_none=False)
        row = {name: told[name] for name in (*_ROW, *_MORE, *_TOLD)}
        row |= {"spec": spec, "source": job.source and _source(job.source), "error": told["error"]}
        info = job.info.model_dump(mode="json", exclude_none=True) if job.info is not None else None
        row |= {"info": info, "owner": self.owner}
        files = [_file(archive, job.id, file) for file in told["files"]]
        stored.add(connection, {**row, "sent_at": job.created_at}, files)


def _place(id: str) -> str:
    return f"{FOLDER}/{id}"


def _jobs(archive: Reader) -> Iterator[Carried]:
    """Every job, in the archive's order; every member belongs to one."""
    expected: set[str] = set()
    for name, member in archive.members.items():
        if not name.endswith("/job.json"):
            continue
        if member.bytes > MOST_JOB:
            raise ArchiveError(f"{name} is too large")
        job = carried.parsed(Carried, b"".join(archive.chunks(name)), name)
        if name != f"{_place(job.id)}/job.json":
            raise ArchiveError(f"{name}: id: it is {job.id}")
        expected |= {name, f"{_place(job.id)}/measurements.jsonl"}
        expected |= {f"{_place(job.id)}/{file.attempt}/{file.name}" for file in job.files}
        yield job
    if not expected:
        raise ArchiveError("it holds no job")
    if odd := set(archive.members) ^ expected:
        raise ArchiveError(f"{sorted(odd)[0]}: missing, or of no job of the archive")


def _unpack(archive: Reader, job: Carried, folder: Path) -> None:
    for file in job.files:
        name, path = f"{file.attempt}/{file.name}", folder / str(file.attempt) / file.name
        if file.attempt > job.attempt:
            raise ArchiveError(f"{_place(job.id)}/{name}: no such attempt")
        archive.unpack(f"{_place(job.id)}/{name}", path)
        if file.name.endswith(".safetensors"):
            try:
                require_safetensors(path)
            except ValueError as error:
                raise ArchiveError(f"{_place(job.id)}/{name}: {error}") from error


def _here(connection: Connection, job: Carried, spec: dict[str, Any]) -> bool:
    """Whether this very job is here already. Raises Conflict where another one has its id."""
    row = jobs.get(connection, job.id)
    if row is None:
        return False
    same = (row["kind"], row["created_at"]) == (job.kind, job.created_at)
    if not same or row["spec"] not in (job.spec, spec):
        raise Conflict(f"{_place(job.id)}/job.json: id: another job has it here")
    return True


def _source(origin: Origin) -> dict[str, Any]:
    peers = [_source(peer) for peer in origin.peers]
    plain = {"job": origin.job, "attempt": origin.attempt, "spec": origin.spec}
    return {**plain, "checkpoint": CHECKPOINT, "peers": peers}


def _file(archive: Reader, job: str, file: dict[str, Any]) -> dict[str, Any]:
    member = archive.members[f"{_place(job)}/{file['attempt']}/{file['name']}"]
    return {**file, "job": job, "bytes": member.bytes, "sha256": member.sha256}


def _lines_of(coming: Path, job: Carried) -> Path:
    return coming / f"{job.id}.jsonl"


def _measured(archive: Reader, job: Carried, path: Path) -> None:
    """Measurements held to their form before the database is: that is the longer part."""
    with path.open("w") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in _lines(archive, job))


def _add_measured(connection: Connection, job: Carried, path: Path) -> None:
    with path.open() as file:
        stored.add_measured(connection, job.id, map(json.loads, file))


def _lines(archive: Reader, job: Carried) -> Iterator[dict[str, Any]]:
    """Measurements as the store holds them."""
    name = f"{_place(job.id)}/measurements.jsonl"
    for at, text in enumerate(archive.lines(name), 1):
        line = carried.parsed(Line, text, f"{name}: line {at}")
        if line.attempt > job.attempt:
            raise ArchiveError(f"{name}: line {at}: attempt: no such attempt")
        told = line.model_dump(mode="json", exclude_none=True)
        told["points"] = [(*row[:4], _number(row[4])) for row in line.points]
        yield told


def _number(value: float | str) -> float | None:
    return None if value == "nan" else float(value)


def _settle(coming: Path, folder: Path) -> None:
    """The unpacked files of a job, to where they belong."""
    if not coming.exists():
        return
    try:
        coming.rename(folder)  # over an empty one at most
    except OSError as error:
        raise Conflict(f"{_place(folder.name)}: files of this id are here already") from error
