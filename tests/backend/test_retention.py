"""What goes, what stays, and that nobody loses what is still needed."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update

from backend import __main__ as command
from backend import retention
from backend.retention import DAY_S, due, remove
from backend.store import artifacts, attempts, jobs
from backend.store.engine import Store, open_store
from backend.store.tables import job as table
from tests.backend.test_store import new_job
from tests.e2e.explorer import until
from worker.contract.settings import Settings

MB = 1_000_000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    store = open_store(Settings(data_dir=tmp_path))
    yield store
    store.close()


def left(store: Store, folder: Path, id: str, state: str, days: float, mb: int = 1) -> None:
    """A job that ended so long ago, with a file of so many megabytes."""
    ended = None if state in jobs.UNFINISHED else time.time() - days * DAY_S
    path = folder / "artifacts" / id / "1" / "final.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(mb * MB))
    saved = {"job": id, "attempt": 1, "name": path.name, "kind": "checkpoint", "bytes": mb * MB}
    with store.write() as connection:
        jobs.add(connection, {**new_job(id), "state": state, "ended_at": ended})
        artifacts.save(connection, {**saved, "sha256": "0" * 64, "step": 1})


def names(settings: Settings, store: Store) -> list[str]:
    return [one.path.name for one in due(settings, store)]


def fill(store: Store, folder: Path) -> None:
    left(store, folder, "old", "succeeded", 40)
    left(store, folder, "new", "succeeded", 2, 3)
    left(store, folder, "failed", "failed", 20)
    left(store, folder, "given-up", "cancelled", 35)
    left(store, folder, "runs", "running", 0)
    left(store, folder, "waits", "interrupted", 0)


def test_by_default_nothing_goes(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    assert names(Settings(data_dir=tmp_path), kept) == []
    assert names(Settings(data_dir=tmp_path / "none"), kept) == []


def test_by_age_and_what_can_be_resumed_has_its_term(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    settings = Settings(data_dir=tmp_path, keep_days=10)
    assert names(settings, kept) == ["old", "given-up"]
    assert names(settings.model_copy(update={"resume_days": 5}), kept) == [
        *("old", "given-up", "failed"),
    ]
    assert names(settings.model_copy(update={"keep_days": 1}), kept) == ["old", "given-up", "new"]


def test_beyond_the_room_there_is_the_oldest_go_first(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    settings = Settings(data_dir=tmp_path, keep_gb=0.0065)
    assert names(settings, kept) == ["old", "given-up"]
    assert names(settings.model_copy(update={"keep_gb": 0.001}), kept) == ["old", "given-up", "new"]
    assert names(settings.model_copy(update={"keep_gb": 0.0085}), kept) == []


def test_what_goes_are_the_files_and_not_the_job(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    for one in due(Settings(data_dir=tmp_path, keep_days=10), kept):
        assert remove(kept, one)
        assert not remove(kept, one)
    assert {p.name for p in (tmp_path / "artifacts").iterdir()} == {
        "new",
        "failed",
        "runs",
        "waits",
    }
    with kept.read() as connection:
        assert jobs.exists(connection, "old")
        assert artifacts.of_job(connection, "old") == []
        assert len(artifacts.of_job(connection, "new")) == 1


def test_the_network_that_a_waiting_attack_starts_from_stays(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    settings = Settings(data_dir=tmp_path, keep_days=10)
    before = due(settings, kept)
    source = {"job": "old", "attempt": 1, "spec": {}, "checkpoint": "", "peers": []}
    with kept.write() as connection:
        jobs.add(connection, {**new_job("attack"), "kind": "attack", "source": source})
    assert names(settings, kept) == ["given-up"]
    assert not remove(kept, before[0]), "it was asked for meanwhile"
    assert (tmp_path / "artifacts/old/1/final.safetensors").exists()


def test_a_job_that_is_resumed_meanwhile_keeps_everything(kept: Store, tmp_path: Path) -> None:
    fill(kept, tmp_path)
    (_, given_up) = due(Settings(data_dir=tmp_path, keep_days=10), kept)
    with kept.write() as connection:
        row = jobs.get(connection, "given-up")
        assert row is not None
        assert attempts.resume(connection, row)
    assert not remove(kept, given_up)
    assert (tmp_path / "artifacts/given-up/1/final.safetensors").exists()


def test_files_of_no_job_go_after_a_day(kept: Store, tmp_path: Path) -> None:
    for name, age in (("deleted", 2), (".going-1", 2), ("coming", 0)):
        path = tmp_path / "artifacts" / name
        (path / "1").mkdir(parents=True)
        os.utime(path, (time.time() - age * DAY_S,) * 2)
    found = due(Settings(data_dir=tmp_path), kept)
    assert [one.path.name for one in found] == [".going-1", "deleted"]
    assert all(remove(kept, one) for one in found)
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["coming"]


def test_the_command_says_first_what_would_go(
    kept: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill(kept, tmp_path)
    monkeypatch.delenv("NORMSCOPE_DATABASE_URL", raising=False)
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("NORMSCOPE_KEEP_DAYS", "10")
    assert command.main(["clean", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "old  1000000 bytes  older than NORMSCOPE_KEEP_DAYS" in told
    assert "would go: 2, 2000000 bytes" in told
    assert (tmp_path / "artifacts/old").exists()
    assert command.main(["clean"]) == 0
    assert "gone: 2, 2000000 bytes" in capsys.readouterr().out
    assert not (tmp_path / "artifacts/old").exists()


def test_it_is_done_now_and_then(
    kept: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FIRST_S", 0.01)
    monkeypatch.setattr(retention, "EVERY_S", 0.01)
    fill(kept, tmp_path)
    settings, stop = Settings(data_dir=tmp_path, keep_days=10), threading.Event()
    thread = threading.Thread(target=retention.keep_clean, args=(settings, kept, stop))
    thread.start()
    try:
        until(lambda: not (tmp_path / "artifacts/old").exists(), 60, "it stays")
        with kept.write() as connection:
            ended = {"ended_at": time.time() - 90 * DAY_S}
            connection.execute(update(table).where(table.c.id == "new").values(ended))
        until(lambda: not (tmp_path / "artifacts/new").exists(), 60, "it is done once only")
    finally:
        stop.set()
        thread.join()
