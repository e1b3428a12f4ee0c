"""A worker that is meant to have a GPU, and has none or loses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.broker import ROOT, Broker, running_broker
from tests.worker.desk import LONG, Desk, running_worker, start, stop, until
from worker.contract import wire
from worker.fitness import REASON

DRIVER = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int cuInit(unsigned flags) { return access(getenv("A_GPU"), F_OK) ? 100 : 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "A card", size); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)8 << 30; return 0; }
"""
"""The calls that are made of NVIDIA's driver, as it answers while a file is there and after."""


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine has."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def told(desk: Desk) -> str:
    assert desk.process.stdout is not None
    return desk.process.stdout.readline().decode()


@pytest.mark.usefixtures("no_gpu")
def test_without_its_gpu_it_says_so_and_takes_no_jobs(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMSCOPE_DEVICE", "cuda")
    with running_broker(broker.data_dir / "alone") as own:
        desk = start(own)
        job = desk.send()
        card = until(desk.cards, 60, "no card")[0]
        assert (card.state, card.kind, card.reason) == ("lost", "cuda", REASON)
        assert told(desk) == f"worker: {REASON}; it takes no jobs\n"
        assert desk.client.llen(wire.QUEUE) == 1
        assert desk.events(job) == []
        desk.process.send_signal(signal.SIGTERM)
        assert desk.process.wait(60) == 0
        assert desk.client.keys(wire.worker_key("*")) == []
        stop(desk)


def test_a_driver_that_is_not_there_is_no_gpu() -> None:
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-m", "worker.gpu"]
    assert subprocess.run(command, cwd=ROOT, env=env, capture_output=True).stdout == b"null\n"


def built(folder: Path) -> Path:
    """A driver for want of a GPU; the folder that holds it."""
    source = folder / "driver.c"
    source.write_text(DRIVER)
    library = folder / "libcuda.so.1"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    return folder


@pytest.mark.slow
def test_one_that_loses_its_gpu_hands_back_its_job_and_takes_it_once_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = tmp_path / "gpu"
    gpu.touch()
    monkeypatch.setenv("A_GPU", str(gpu))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(built(tmp_path)))
    with running_broker(tmp_path / "broker") as broker, running_worker(broker) as desk:
        job = desk.send(LONG)
        desk.running(job)
        runs = desk.card().pid
        gpu.unlink()
        until(lambda: [card.state for card in desk.cards()] == ["lost"], 60, "it says nothing")
        assert {"job": job, "handed_back": "1"} in desk.rung()
        assert not desk.client.exists(wire.lease_key(job))
        assert not psutil.pid_exists(runs)
        waiting = desk.send()
        gpu.touch()
        assert desk.finish(waiting)[-1]["type"] == "finished"
        assert "lost" not in {card.state for card in desk.cards()}
