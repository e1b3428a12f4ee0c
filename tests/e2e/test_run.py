"""`make run`: one line, one at a time, nothing left behind, everything kept."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e import explorer as e2e

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("run")]

DIGITS = {
    "kind": "train",
    "name": "kept",
    "spec": {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 1},
}


def test_a_second_start_keeps_jobs_data_and_token(tmp_path: Path) -> None:
    with e2e.running(tmp_path) as first:
        with first.client() as client:
            job = client.post("/jobs", json=DIGITS).raise_for_status().json()["id"]
        done = first.wait_job(job)
        token = first.token
        twin = e2e.start(tmp_path, NORMSCOPE_PORT=first.env["NORMSCOPE_PORT"])
        assert twin.process.wait(20) == 1
        e2e.until(lambda: twin.lines, 90, "no word from the twin")
        assert first.url in twin.lines[-1]
    with e2e.running(tmp_path) as second, second.client() as client:
        assert second.token == token
        assert client.get(f"/jobs/{job}").json() == done
        e2e.until(lambda: client.get("/workers").json()["items"], 90, "no worker")
        assert len(client.get("/workers").json()["items"]) == 1, "the first start's card is gone"
        names = client.get(f"/jobs/{job}/measurements").json()["items"]
        assert {"train/loss", "test/accuracy"} <= {item["name"] for item in names}


SLOW = pytest.mark.slow  # an explorer each; `make test-faults` strikes each process, too


@pytest.mark.parametrize(
    "signum",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=SLOW),
        pytest.param(signal.SIGTERM, marks=SLOW),
    ],
)
def test_the_end_of_the_supervisor_leaves_no_process(tmp_path: Path, signum: int) -> None:
    explorer = e2e.start(tmp_path)
    try:
        with e2e.wait_ready(explorer).client() as client:
            long = {**DIGITS, "spec": {**DIGITS["spec"], "epochs": 5000}}
            job = client.post("/jobs", json=long).raise_for_status().json()["id"]
            look = f"/jobs/{job}"
            e2e.until(lambda: client.get(look).json()["state"] == "running", 90, "never ran")
        assert len({process.name() for process in explorer.processes()}) >= 2
        assert e2e.stop(explorer, signum) == []
    finally:
        if explorer.process.poll() is None:
            e2e.stop(explorer)


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        explorer = e2e.start(tmp_path, NORMSCOPE_PORT=port)
        assert explorer.process.wait(20) == 1
        e2e.until(lambda: explorer.lines, 90, "no word")
    assert len(explorer.lines) == 1
    assert port in explorer.lines[0]
    assert "NORMSCOPE_PORT" in explorer.lines[0]


def test_a_bad_setting_is_one_clear_line(tmp_path: Path) -> None:
    explorer = e2e.start(tmp_path, NORMSCOPE_WORKERS="-2")
    assert explorer.process.wait(20) == 1
    e2e.until(lambda: explorer.lines, 90, "no word")
    assert len(explorer.lines) == 1
    assert "NORMSCOPE_WORKERS" in explorer.lines[0]


def named(explorer: e2e.Explorer, args: list[str]) -> list[psutil.Process]:
    """The living processes that run `python -m` with these arguments first."""
    wanted = ["-m", *args]
    found = []
    for process in explorer.processes():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1 : 1 + len(wanted)] == wanted:
                found.append(process)
    return found


def test_what_others_kill_is_always_started_again(tmp_path: Path) -> None:
    """Five times within a minute and more; what ends by itself so often is given up."""
    keeper = kept(tmp_path, "import time; time.sleep(600)")
    note, pid = tmp_path / "it.pid", 0
    for time in range(7):
        pid = e2e.until(lambda before=pid: started(note, before), 30, f"{time}: not started again")
        os.kill(pid, signal.SIGKILL)
    assert keeper.poll() is None
    keeper.terminate()
    assert keeper.wait(30) == 0
    assert kept(tmp_path, "raise SystemExit(3)").wait(60) == 1


def kept(folder: Path, code: str) -> subprocess.Popen[bytes]:
    env = {"NORMSCOPE_SUPERVISOR": str(os.getpid()), "NORMSCOPE_LOGS": str(folder)}
    command = ["-m", "backend.local.keep", "it", "--", sys.executable, "-c", code]
    return subprocess.Popen([sys.executable, *command], env={**os.environ, **env})


def started(note: Path, before: int) -> int:
    """The process that the note tells of, once it is another than before."""
    told = note.read_text().split() if note.exists() else []
    return int(told[0]) if told and int(told[0]) != before else 0


@pytest.mark.parametrize(
    "args", [pytest.param(["backend.api"], marks=SLOW), ["backend.local.keep", "api", "--"]]
)
def test_a_killed_process_is_started_again(tmp_path: Path, args: list[str]) -> None:
    with e2e.running(tmp_path) as explorer:

        def apis() -> list[int]:
            return [process.pid for process in named(explorer, ["backend.api"])]

        def back() -> bool:
            try:
                with explorer.client() as client:
                    return client.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        before = apis()
        named(explorer, args)[0].kill()
        e2e.until(lambda: apis() not in ([], before), 90, "no other API came")
        e2e.until(back, 90, "the API did not come back")
        assert len(apis()) == 1
