"""What is killed in a running explorer, and how soon its job runs again."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e import explorer as e2e

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("faults")]

LONG = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 100_000}


@pytest.fixture
def explorer(tmp_path: Path) -> Iterator[e2e.Explorer]:
    with e2e.running(tmp_path) as explorer:
        yield explorer


@pytest.mark.slow
def test_a_killed_process_of_the_pool_is_noticed_at_once(explorer: e2e.Explorer) -> None:
    with explorer.client() as client:
        job = running(client)
        (card,) = client.get("/workers").json()["items"]
        os.kill(card["pid"], signal.SIGKILL)
        assert seconds_until_attempt(client, job, 2) < 3
        again(client, job)


def test_a_job_that_kills_its_process_each_time_is_given_up(explorer: e2e.Explorer) -> None:
    with explorer.client() as client:
        job = running(client)
        for attempt in (1, 2, 3):
            e2e.until(lambda n=attempt: runs(client, job, n), 60, f"attempt {attempt} never ran")
            (card,) = [card for card in client.get("/workers").json()["items"] if card["job"]]
            os.kill(card["pid"], signal.SIGKILL)
        done = explorer.wait_job(job)
    assert done["state"] == "failed"
    assert done["error"]["code"] == "lost"
    assert "3 times" in done["error"]["message"]
    assert "SIGKILL" in done["error"]["message"]


@pytest.mark.slow
def test_a_killed_worker_is_noticed_after_one_lease(explorer: e2e.Explorer) -> None:
    with explorer.client() as client:
        job = running(client)
        worker(explorer).kill()
        assert seconds_until_attempt(client, job, 2) < 20
        again(client, job)
        assert len(client.get("/workers").json()["items"]) == 1, "the dead one's card is gone"


def running(client: httpx.Client) -> str:
    """A job that measures."""
    body = {"kind": "train", "spec": LONG}
    job: str = client.post("/jobs", json=body).raise_for_status().json()["id"]
    e2e.until(lambda: runs(client, job, 1), 90, "never ran")
    return job


def again(client: httpx.Client, job: str) -> None:
    e2e.until(lambda: runs(client, job, 2), 90, "never ran again")
    client.post(f"/jobs/{job}/cancel").raise_for_status()


def runs(client: httpx.Client, job: str, attempt: int) -> bool:
    row: dict[str, Any] = client.get(f"/jobs/{job}").json()
    return row["state"] == "running" and row["attempt"] == attempt


def seconds_until_attempt(client: httpx.Client, job: str, attempt: int) -> float:
    began = time.monotonic()
    look = f"/jobs/{job}"
    e2e.until(lambda: client.get(look).json()["attempt"] == attempt, 90, "not noticed")
    return time.monotonic() - began


def worker(explorer: e2e.Explorer) -> psutil.Process:
    for process in explorer.processes():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[1:] == ["-m", "worker.serve"]:
                return process
    raise AssertionError("no worker")
