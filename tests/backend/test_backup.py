"""A whole installation in one file and back, from either database into either."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest
from sqlalchemy import text

from backend import __main__ as command
from backend.archive import MANIFEST, ArchiveError
from backend.backup import backup, restore
from backend.store import dump
from backend.store.engine import Store, migrate, open_store, revisions
from tests.backend.conftest import database
from tests.backend.populated import contents, files, numbering, populate, write
from tests.backend.postgresql import Postgresql
from worker.contract.events import Teller
from worker.contract.settings import Settings

KINDS = ("sqlite", "postgresql")


@contextmanager
def installed(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    """An installation's store; its data directory is the folder."""
    if kind == "sqlite":
        store = open_store(Settings(data_dir=folder))
        yield store
        store.close()
        return
    server: Postgresql = request.getfixturevalue("postgresql")
    with database(server) as url:
        store = open_store(Settings(data_dir=folder, database_url=url))
        yield store
        store.close()


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_everything_comes_back(
    before: str, after: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    old, new, file = Settings(data_dir=tmp_path / "a"), Settings(data_dir=tmp_path / "b"), tmp_path
    with installed(before, old.data_dir, request) as store:
        populate(store, old.data_dir)
        state = old.data_dir / "artifacts/waits/1/resume-0000000010.safetensors"
        state.parent.mkdir(parents=True)
        state.write_bytes(b"all that it remembers")
        assert backup(old, store, file / "all.zip") == 2
        told, left = contents(store), files(old.data_dir)
    assert (file / "all.zip").stat().st_mode & 0o777 == 0o600
    with installed(after, new.data_dir, request) as store:
        rows, count = restore(new, store, file / "all.zip")
        assert (rows, count) == (sum(len(found) for found in told.values()), 2)
        assert contents(store) == told
        assert files(new.data_dir) == left
        entries, series = numbering(store)
        assert (entries, series) == (len(told["audit"]) + 1, len(told["series"]) + 1)


def test_it_may_be_taken_while_a_job_tells(tmp_path: Path) -> None:
    settings, again = Settings(data_dir=tmp_path / "a"), Settings(data_dir=tmp_path / "b")
    store = open_store(settings)
    populate(store, settings.data_dir)
    over, told = threading.Event(), threading.Event()
    tell = Teller("waits")

    def work() -> None:
        step = 0
        while not over.is_set():
            write(store, "waits", tell.measured(step, 0.0, {"x": 1.0, "y": 2.0}))
            step += 1
            if step == 20:
                told.set()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert told.wait(60)
        for name in ("1.zip", "2.zip", "3.zip"):
            backup(settings, store, tmp_path / name)
    finally:
        over.set()
        thread.join()
        store.close()
    store = open_store(again)
    restore(again, store, tmp_path / "3.zip")
    with store.read() as connection:
        last, points = connection.execute(
            text(
                "SELECT told_seq, (SELECT count(*) FROM point JOIN series ON id = series"
                " WHERE job = 'waits') FROM job WHERE id = 'waits'"
            )
        ).one()
    assert last == points >= 40, "the cursor and the points are of one moment"
    store.close()


def test_what_an_older_version_left_is_brought_up_to_date(tmp_path: Path) -> None:
    old, new = Settings(data_dir=tmp_path / "a"), Settings(data_dir=tmp_path / "b")
    store = open_store(old)
    populate(store, old.data_dir)
    migrate(store.engine, revisions()[0])
    backup(old, store, tmp_path / "old.zip")
    store.close()
    store = open_store(new)
    restore(new, store, tmp_path / "old.zip")
    with store.read() as connection:
        assert dump.revision(connection) == revisions()[-1]
        assert connection.execute(text("SELECT count(*) FROM job")).scalar_one() == 2
    store.close()


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "a")
    store = open_store(settings)
    populate(store, settings.data_dir)
    backup(settings, store, tmp_path / "all.zip")
    before = contents(store), files(settings.data_dir)
    with pytest.raises(FileExistsError):
        backup(settings, store, tmp_path / "all.zip")
    with pytest.raises(ArchiveError, match="jobs, tokens or a log"):
        restore(settings, store, tmp_path / "all.zip")
    assert (contents(store), files(settings.data_dir)) == before
    store.close()
    other = Settings(data_dir=tmp_path / "b")
    store = open_store(other)
    (tmp_path / "b/artifacts/mine").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="not empty"):
        restore(other, store, tmp_path / "all.zip")
    store.close()


@pytest.mark.parametrize("damage", ["a bit", "half", "a table", "another version"])
def test_a_damaged_one_leaves_all_as_it_was(damage: str, tmp_path: Path) -> None:
    settings, other = Settings(data_dir=tmp_path / "a"), Settings(data_dir=tmp_path / "b")
    store = open_store(settings)
    populate(store, settings.data_dir)
    file = tmp_path / "all.zip"
    backup(settings, store, file)
    store.close()
    if damage == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "a bit":
        found = bytearray(file.read_bytes())
        found[found.index(b"data_offsets") + 2] ^= 1
        file.write_bytes(bytes(found))
    else:
        rewritten(file, damage)
    store = open_store(other)
    with pytest.raises(ArchiveError):
        restore(other, store, file)
    with store.read() as connection:
        assert dump.empty(connection)
        assert dump.revision(connection) == revisions()[-1]
    assert not list(other.data_dir.glob("**/*.safetensors"))
    store.close()


def rewritten(file: Path, damage: str) -> None:
    with ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    if damage == "a table":
        name = "tables/point.jsonl"
        del members[name], manifest["members"][name]
    else:
        manifest["revision"] = "9999"
    with ZipFile(file, "w", ZIP_STORED) as archive:
        for name, data in {**members, MANIFEST: json.dumps(manifest)}.items():
            archive.writestr(name, data)


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NORMSCOPE_DATABASE_URL", raising=False)
    store = open_store(Settings(data_dir=tmp_path / "a"))
    populate(store, tmp_path / "a")
    store.close()
    file = str(tmp_path / "all.zip")
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path / "a"))
    assert command.main(["backup", file]) == 0
    assert command.main(["restore", file]) == 1
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path / "b"))
    assert command.main(["restore", file]) == 0
    told = capsys.readouterr()
    assert "files of jobs: 1" in told.out
    assert "has jobs, tokens or a log already" in told.err
    assert files(tmp_path / "b") == files(tmp_path / "a")
