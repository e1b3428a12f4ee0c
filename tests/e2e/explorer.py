"""The whole explorer in real processes, as `make run` starts it, on free ports."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parents[2]
READY = re.compile(r"Normscope is ready: (http://\S+)/\?token=(\S+)")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Explorer:
    """A running explorer: its address, its token, its supervisor's process."""

    process: subprocess.Popen[str]
    data_dir: Path
    env: dict[str, str]
    lines: list[str] = field(default_factory=list)
    url: str = ""
    token: str = ""
    ready_s: float = 0.0
    reader: threading.Thread | None = None

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def processes(self) -> list[psutil.Process]:
        """The supervisor's whole family, itself included."""
        top = psutil.Process(self.process.pid)
        return [top, *top.children(recursive=True)]

    def wait_job(self, job: str, timeout: float = 120) -> dict[str, Any]:
        """The job once it has ended."""
        with self.client() as client:
            return until(
                lambda: ended(client.get(f"/jobs/{job}").raise_for_status().json()),
                timeout,
                f"job {job} did not end",
            )

    def logs(self) -> str:
        """The last lines of every process, for a failed test's report."""
        found = sorted((self.data_dir / "logs").glob("*.log"))
        return "\n".join(f"== {path.name}\n{path.read_text()[-2000:]}" for path in found)


def ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["state"] in {"succeeded", "failed", "cancelled"} else None


def until(look: Callable[[], Any], timeout: float, otherwise: str) -> Any:
    """The first true answer of `look`; AssertionError(otherwise) after `timeout` seconds."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(otherwise)


def start(data_dir: Path, **settings: str) -> Explorer:
    """Start the supervisor; does not wait."""
    inherited = {key: value for key, value in os.environ.items() if "NORMSCOPE" not in key}
    env = {
        **inherited,
        "NORMSCOPE_DATA_DIR": str(data_dir),
        "NORMSCOPE_PORT": str(free_port()),
        "NORMSCOPE_API_PORT": str(free_port()),
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "backend.local.up"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    explorer = Explorer(process, data_dir, env)
    explorer.reader = threading.Thread(target=_read, args=(explorer,), daemon=True)
    explorer.reader.start()
    return explorer


def wait_ready(explorer: Explorer, timeout: float = 90) -> Explorer:
    """Wait for the line with the address and the token."""
    began = time.monotonic()

    def look() -> re.Match[str] | None:
        if explorer.process.poll() is not None:
            raise AssertionError(f"it ended: {explorer.lines}\n{explorer.logs()}")
        return next(filter(None, map(READY.search, explorer.lines)), None)

    found = until(look, timeout, "not ready")
    explorer.url, explorer.token = found.groups()
    explorer.ready_s = time.monotonic() - began
    return explorer


def stop(explorer: Explorer, signum: int = signal.SIGTERM, timeout: float = 20) -> list[int]:
    """End the supervisor; the ids of processes of its family that outlived it."""
    family = explorer.processes() if explorer.process.poll() is None else []
    explorer.process.send_signal(signum)
    explorer.process.wait(timeout)
    _, left = psutil.wait_procs(family, timeout=10)
    for process in left:
        process.kill()
    if explorer.reader is not None:
        explorer.reader.join(5)
    return [process.pid for process in left]


@contextmanager
def running(data_dir: Path, **settings: str) -> Iterator[Explorer]:
    """A ready explorer, ended on the way out."""
    explorer = start(data_dir, **settings)
    try:
        yield wait_ready(explorer)
    finally:
        stop(explorer)


def _read(explorer: Explorer) -> None:
    assert explorer.process.stdout is not None
    with explorer.process.stdout as stdout:
        for line in stdout:
            explorer.lines.append(line.rstrip())
