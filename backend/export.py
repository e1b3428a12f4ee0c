"""Jobs with all that they measured and left, as one archive.

python -m backend export FILE ID...
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
from sqlalchemy import Connection

from backend.archive import Writer
from backend.carried import FOLDER, KIND, MOST_POINTS, Carried, Info
from backend.store import artifacts, carried, dump, jobs
from backend.store.engine import Store
from worker.contract.artifacts import Artifacts
from worker.contract.measurement import number
from worker.contract.settings import Settings

_FILE = ("attempt", "name", "kind", "step", "created_at")
_SOURCE = ("job", "attempt", "spec")


class NotExported(ValueError):
    """There is no such job, or it has not ended."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments; `run` of what they parse to does it."""
    command = commands.add_parser("export", help="ended jobs, and what they start from, as a file")
    command.add_argument("file", type=Path)
    command.add_argument("id", nargs="+")
    command.set_defaults(run=_run)


def _run(settings: Settings, store: Store, given: argparse.Namespace) -> str:
    half = given.file.with_name(f".{given.file.name}.{os.getpid()}")
    if given.file.exists():
        raise FileExistsError(f"{given.file} is there already")
    try:
        with half.open("xb") as file:
            packed = pack(settings, store, given.id, file)
        half.rename(given.file)
    finally:
        half.unlink(missing_ok=True)
    return f"{given.file}: {', '.join(packed)}"


def pack(settings: Settings, store: Store, ids: Sequence[str], file: IO[bytes]) -> list[str]:
    """Write the jobs and the trainings that they start from; their ids. Raises NotExported."""
    with store.read() as connection:
        rows = _with_sources(connection, ids)
        with Writer(file, KIND, dump.revision(connection)) as archive:
            for row in rows:
                _add(archive, settings, connection, row)
    return [row["id"] for row in rows]


def _with_sources(connection: Connection, ids: Sequence[str]) -> list[jobs.Row]:
    """Each job once, after those that it starts from where they are still here."""
    found: dict[str, jobs.Row] = {}
    for id in ids:
        row = jobs.get(connection, id)
        if row is None:
            raise NotExported(f"no job has the id {id!r}")
        if row["state"] not in jobs.ENDED:
            raise NotExported(f"job {id} has not ended")
        for source in jobs.sources(row["source"]):
            if (other := jobs.get(connection, source)) and other["state"] in jobs.ENDED:
                found[source] = other
        found[id] = row
    return list(found.values())


def _add(archive: Writer, settings: Settings, connection: Connection, row: jobs.Row) -> None:
    place = f"{FOLDER}/{row['id']}"
    files, left = [], Artifacts(settings)
    for file in artifacts.of_job(connection, row["id"]):
        with left.file(row["id"], file["attempt"], file["name"]) as path:
            if archive.add_file(f"{place}/{file['attempt']}/{file['name']}", path):
                files.append({name: file[name] for name in _FILE})
    archive.add(f"{place}/measurements.jsonl", _lines(connection, row["id"]))
    archive.add(f"{place}/job.json", [orjson.dumps(document(row, files))])


def document(row: jobs.Row, files: list[dict[str, Any]]) -> dict[str, Any]:
    """The job as `Carried` reads it."""
    plain = {name: row[name] for name in Carried.model_fields if name in row}
    info = row["info"] and {n: value for n, value in row["info"].items() if n in Info.model_fields}
    return {**plain, "info": info, "source": _source(row["source"]), "files": files}


def _source(source: dict[str, Any] | None) -> dict[str, Any] | None:
    if source is None:
        return None
    peers = [_source(peer) for peer in source.get("peers", [])]
    return {**{name: source[name] for name in _SOURCE}, "peers": peers}


def _lines(connection: Connection, job: str) -> Iterator[bytes]:
    for chunk in carried.measured(connection, job, MOST_POINTS):
        for row in chunk.get("points", ()):
            row[-1] = "nan" if row[-1] is None else number(row[-1])
        for row in chunk.get("shapes", ()):
            row[-1] = {name: _without_gaps(value) for name, value in row[-1].items()}
        yield orjson.dumps(chunk, option=orjson.OPT_APPEND_NEWLINE)


def _without_gaps(value: Any) -> Any:
    """In JSON a worker's NaN within a curve became null."""
    if isinstance(value, list):
        return ["nan" if one is None else _without_gaps(one) for one in value]
    return value
