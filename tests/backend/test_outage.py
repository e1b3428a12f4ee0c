"""A database that goes and comes: nothing is lost, nothing is doubled, callers are told to wait."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store, open_store
from tests.backend.conftest import database
from tests.backend.live import put
from tests.backend.parts import calling, train
from tests.backend.postgresql import Postgresql
from tests.backend.test_recorder import begin, row_of, until
from tests.backend.test_store import add, read
from worker.contract.settings import Settings

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes to the SQLite file, and does not come to an end."""
    command = [sys.executable, "-c", LOCK, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        yield


@contextmanager
def recording(store: Store, queue: Queue) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=Recorder(store, queue).run, args=(stop,))
    thread.start()
    yield
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def told_for(queue: Queue, teller: Callable[[], None], seconds: float) -> None:
    until_then = time.monotonic() + seconds
    while time.monotonic() < until_then:
        teller()
        time.sleep(0.02)


def refused(client: TestClient) -> None:
    answer = client.post("/jobs", json=train())
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "database" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("seconds", "patience_ms"),
    [(1.5, 200), pytest.param(20.0, 5000, marks=pytest.mark.slow)],
)
def test_a_locked_database_is_waited_for(
    tmp_path: Path,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    patience_ms: int,
) -> None:
    waiting = ("journal_mode=WAL", f"busy_timeout={patience_ms}")
    monkeypatch.setattr("backend.store.engine.PRAGMAS", waiting)
    settings = Settings(data_dir=tmp_path, redis_url=queue.url)
    store = open_store(settings)
    add(store, "a")
    with recording(store, queue), calling(settings, store, queue) as client:
        teller = begin(queue, "a")

        def tell() -> None:
            put(queue, "a", teller.measured(teller.seq, 0.0, {"x": 1.0, "y": 2.0}))

        told_for(queue, tell, 0.5)
        with locked(tmp_path / "normscope.sqlite"):
            refused(client)
            assert client.get("/jobs").status_code == 200
            told_for(queue, tell, seconds)
        assert client.post("/jobs", json=train()).status_code == 201
        put(queue, "a", teller.finished(1))
        until(lambda: row_of(store, "a")["state"] == "succeeded")
    assert sorted(item["seq"] for item in read(store, "a")) == list(range(2, teller.seq))
    assert row_of(store, "a")["attempt"] == 1
    store.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_postgresql_that_stops_is_waited_for(
    tmp_path: Path, queue: Queue, postgresql: Postgresql, how: signal.Signals
) -> None:
    with database(postgresql) as url:
        settings = Settings(data_dir=tmp_path, redis_url=queue.url, database_url=url)
        store = open_store(settings)
        add(store, "a")
        with recording(store, queue), calling(settings, store, queue) as client:
            teller = begin(queue, "a")

            def tell() -> None:
                put(queue, "a", teller.measured(teller.seq, 0.0, {"x": 1.0, "y": 2.0}))

            told_for(queue, tell, 0.5)
            postgresql.stop(how)
            try:
                refused(client)
                assert client.get("/jobs").status_code == 503
                told_for(queue, tell, 1.0)
            finally:
                postgresql.start()
            assert client.post("/jobs", json=train()).status_code == 201
            put(queue, "a", teller.finished(1))
            until(lambda: row_of(store, "a")["state"] == "succeeded")
        assert sorted(item["seq"] for item in read(store, "a")) == list(range(2, teller.seq))
        assert row_of(store, "a")["attempt"] == 1
        store.close()


def test_what_cannot_be_written_does_not_hold_up_the_rest(any_store: Store, queue: Queue) -> None:
    add(any_store, "a")
    recorder = Recorder(any_store, queue)
    teller = begin(queue, "a")
    for step in (1, 2**63, 3):
        put(queue, "a", teller.measured(step, 0.0, {"x": 1.0}))
    put(queue, "a", teller.finished(3))
    until(lambda: row_of(any_store, "a")["state"] == "succeeded", lambda: recorder.turn(1))
    assert [item["step"] for item in read(any_store, "a")] == [1, 3]
