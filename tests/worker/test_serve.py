"""The worker's processes: waiting for a broker, surviving its restart, ending without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.broker import ROOT, Broker, running_broker
from tests.worker.desk import LONG, running_worker, start, stop, until
from worker.contract import wire
from worker.lab.states import left


def alive_after(family: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that still run; one that ended and that nobody waited for yet does not."""
    _, left = psutil.wait_procs(family, timeout=seconds)
    return [process for process in left if process.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_end_of_the_worker_leaves_no_process(tmp_path: Path, signum: int) -> None:
    with running_broker(tmp_path) as broker, running_worker(broker) as desk:
        job = desk.send(LONG)
        desk.running(job)
        family = desk.family()
        assert len(family) >= 2
        desk.process.send_signal(signum)
        assert alive_after(family, 3) == []
        handed_back = signum != signal.SIGKILL
        assert desk.client.exists(wire.lease_key(job)) == (not handed_back)
        assert bool(desk.client.keys(wire.worker_key("*"))) == (not handed_back)
        assert ({"job": job, "handed_back": "1"} in desk.rung()) == handed_back
        assert "finished" not in {event["type"] for event in desk.events(job)}
        kept = left([broker.data_dir / "artifacts" / job / "1"])
        assert bool(kept) == handed_back, "a worker that is asked to leave keeps what it has done"
        assert family[0].wait() == (0 if handed_back else -signal.SIGKILL)


def test_a_restarted_broker_gets_every_event(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker, running_worker(broker) as desk:
        job = desk.send(epochs=200)
        desk.running(job)
        broker.stop()
        time.sleep(0.5)
        broker.start()
        told = {event["seq"]: event for event in desk.finish(job)}
        following = 1
        for seq, event in told.items():
            assert seq == following
            following += len(event.get("values", [0]))
        assert event["type"] == "finished"
        assert [event["type"] for event in desk.finish(desk.send())][-1] == "finished"


def test_waits_for_the_broker_and_says_so(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    desk = start(broker)
    try:
        assert desk.process.stdout is not None
        line = desk.process.stdout.readline().decode()
        assert line.startswith("worker: waiting for the broker")
        broker.start()
        until(lambda: desk.client.keys(wire.worker_key("*")), 60, "no worker came")
        desk.finish(desk.send())
    finally:
        stop(desk)
        broker.stop()


def test_stops_while_it_waits(tmp_path: Path) -> None:
    desk = start(Broker(tmp_path))
    assert desk.process.stdout is not None
    desk.process.stdout.readline()
    time.sleep(0.5)
    family = desk.family()
    desk.process.terminate()
    assert alive_after(family, 3) == []
    stop(desk)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({}, "worker: NORMSCOPE_REDIS_URL is not set; `make run` sets it\n"),
        ({"NORMSCOPE_WORKERS": "0"}, "worker: NORMSCOPE_WORKERS: "),
    ],
)
def test_says_what_is_wrong_with_the_settings(env: dict[str, str], told: str) -> None:
    base = {name: value for name, value in os.environ.items() if not name.startswith("NORMSCOPE")}
    done = subprocess.run(
        [sys.executable, "-m", "worker.serve"],
        cwd=ROOT,
        env={**base, **env},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
