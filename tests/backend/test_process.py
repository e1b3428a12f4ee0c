"""The API as a process: quick, small, without torch; what is away is a 503 and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.testclient import TestClient

from backend.handing import AHEAD
from backend.queue import Queue
from backend.store import jobs
from backend.store.engine import Store, open_store
from tests.backend.parts import AUTH, TOKEN, calling, train
from tests.broker import ROOT, Broker, free_port, running_broker
from worker.contract.settings import Settings


@contextmanager
def api(folder: Path, broker: Broker) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    env = {
        **os.environ,
        **broker.env,
        "NORMSCOPE_DATA_DIR": str(folder),
        "NORMSCOPE_API_PORT": str(port),
        "NORMSCOPE_TOKEN": TOKEN,
    }
    process = subprocess.Popen([sys.executable, "-m", "backend.api"], cwd=ROOT, env=env)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.wait()


def wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert process.poll() is None, "the API ended"
        try:
            httpx.get(f"{url}/healthz")
            return
        except httpx.TransportError:
            time.sleep(0.01)
    raise AssertionError("the API does not answer")


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_the_process_is_small_and_stops_at_once(
    tmp_path: Path, broker: Broker, name: signal.Signals
) -> None:
    with api(tmp_path, broker) as (url, process):
        wait(url, process)
        job = httpx.post(f"{url}/api/v1/jobs", json=train(), headers=AUTH)
        assert job.status_code == 201, job.text
        used = psutil.Process(process.pid)
        assert used.memory_info().rss < 150e6
        watch = f"{url}/api/v1/events?jobs={job.json()['id']}"
        with httpx.stream("GET", watch, headers=AUTH) as answer:
            lines = answer.iter_lines()
            next(lines)
            began = time.monotonic()
            process.send_signal(name)
            assert [*lines], "the stream ends, it is not cut"
        assert process.wait(3) == 0
        assert time.monotonic() - began < 3


def test_torch_is_never_imported() -> None:
    code = (
        "import sys, backend.api, backend.recorder\n"
        "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'dash', 'plotly', 'worker.lab'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert found.stdout.strip() == b"[]"


def test_it_refuses_to_be_open_without_a_token(tmp_path: Path, broker: Broker) -> None:
    env = {**os.environ, **broker.env, "NORMSCOPE_DATA_DIR": str(tmp_path)}
    env = {**env, "NORMSCOPE_HOST": "0.0.0.0", "NORMSCOPE_TOKEN": ""}
    command = [sys.executable, "-m", "backend.api"]
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=30)
    assert found.returncode == 1
    assert b"NORMSCOPE_TOKEN" in found.stderr
    assert found.stderr.count(b"\n") == 1


def refused(client: TestClient) -> None:
    answer = client.post("/jobs", json=train())
    assert answer.status_code == answer.json()["status"] == 503
    assert int(answer.headers["retry-after"]) > 0


def test_without_a_broker_nothing_is_left_behind(tmp_path: Path) -> None:
    with running_broker(tmp_path / "broker") as broker:
        settings = Settings(data_dir=tmp_path, redis_url=broker.url)
        store, queue = open_store(settings), Queue(broker.url)
        with calling(settings, store, queue) as client:
            assert client.post("/jobs", json=train()).status_code == 201
            broker.stop()
            began = time.monotonic()
            refused(client)
            assert time.monotonic() - began < 5
            ready = client.get("/readyz")
            assert ready.json()["checks"] == {"broker": False, "database": True, "worker": False}
            assert client.post("/estimate", json=train()).status_code == 200
            assert len(client.get("/jobs").json()["items"]) == 1
            broker.start()
            assert client.post("/jobs", json=train()).status_code == 201
            assert queue.waiting() == AHEAD
        queue.close()
        store.close()


def test_a_broker_that_dies_between_leaves_no_job(tmp_path: Path) -> None:
    with running_broker(tmp_path / "broker") as broker:
        settings = Settings(data_dir=tmp_path, redis_url=broker.url)
        store, queue = open_store(settings), Queue(broker.url)
        queue.ping = broker.stop  # type: ignore[method-assign]
        with calling(settings, store, queue) as client:
            refused(client)
        with store.read() as connection:
            assert jobs.counts(connection) == {}
        queue.close()
        store.close()


def test_without_a_database(settings: Settings, store: Store, queue: Queue) -> None:
    path = settings.data_dir / "normscope.sqlite"
    with calling(settings, store, queue) as client:
        store.close()
        names = [path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")]
        there = [name for name in names if name.exists()]
        for name in there:
            name.rename(name.with_name(f"away-{name.name}"))
        path.mkdir()  # a database that cannot be opened
        refused(client)
        assert client.get("/readyz").json()["checks"]["database"] is False
        path.rmdir()
        for name in there:
            name.with_name(f"away-{name.name}").rename(name)
        assert client.post("/jobs", json=train()).status_code == 201
        assert queue.waiting() == 1
