"""A real broker for tests: `with running_broker(folder) as broker`, or the fixture `broker`.

A conftest takes the fixture with `from tests.broker import broker as broker`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Broker:
    """A server on one port and in one folder, which can be stopped, killed and started again."""

    data_dir: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:broker-password@127.0.0.1:{self.port}/0"

    @property
    def env(self) -> dict[str, str]:
        """What a process of the explorer needs to find this broker, beside os.environ."""
        return {
            "NORMSCOPE_DATA_DIR": str(self.data_dir),
            "NORMSCOPE_REDIS_PORT": str(self.port),
            "NORMSCOPE_REDIS_PASSWORD": "broker-password",
            "NORMSCOPE_REDIS_URL": self.url,
        }

    def client(self) -> redis.Redis:
        """A client; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        command = [sys.executable, "-m", "backend.local.broker"]
        self.process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **self.env})
        self._wait_ready()

    def _wait_ready(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + 20
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    client.ping()
                    return
                except redis.RedisError:
                    assert self.process.poll() is None, "the broker ended"
                    time.sleep(0.02)
        raise AssertionError("the broker does not answer")

    def stop(self) -> None:
        """End it as a supervisor would; what it was told stays in the folder."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, signum: int) -> None:
        if self.process is not None:
            self.process.send_signal(signum)
            self.process.wait(10)
            self.process = None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """A broker with its data under `folder`, ended on the way out."""
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests of a process; a test that stops it starts one of its own."""
    with running_broker(tmp_path_factory.mktemp("broker")) as running:
        yield running
