"""How fast the explorer and its API are up, and how much memory the API takes."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from bench.table import Row
from tests.broker import running_broker
from tests.e2e.explorer import ROOT, free_port, running, until

RUNS = 5


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with running(path):
            pass
        again = [second_start(path) for _ in range(RUNS)]
        yield Row("`make run` ready, installed, second start", spread(again, "s"), "<= 5 s")
        with running_broker(path / "alone") as broker:
            found = [api_alone(path, broker.env) for _ in range(RUNS)]
        yield Row("API process up", spread([up for up, _ in found], "s"), "<= 2 s")
        memory = max(memory for _, memory in found)
        yield Row("API process memory (RSS)", f"{memory:.0f} MB", "< 150 MB")


def second_start(path: Path) -> float:
    began = time.monotonic()
    with running(path):
        return time.monotonic() - began


def api_alone(path: Path, env: dict[str, str]) -> tuple[float, float]:
    """Seconds from exec to the first answer of /healthz, and megabytes then."""
    port = free_port()
    own = {**os.environ, **env, "NORMSCOPE_API_PORT": str(port), "NORMSCOPE_DATA_DIR": str(path)}
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.api"],
        cwd=ROOT,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), 30, "the API did not answer")
        return time.monotonic() - began, psutil.Process(process.pid).memory_info().rss / 2**20
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.TransportError:
        return False


def spread(values: list[float], unit: str) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.2f} {unit} ({low:.2f}-{high:.2f})"
