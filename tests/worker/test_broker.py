"""The embedded broker: one owner, nothing in the process list, nothing forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.broker import ROOT, Broker, running_broker


def test_is_the_process_that_was_started_and_hides_its_password(broker: Broker) -> None:
    assert broker.process is not None
    process = psutil.Process(broker.process.pid)
    assert "python" not in process.name()
    assert process.children() == []
    assert "broker-password" not in " ".join(process.cmdline())


def test_needs_the_password_and_keeps_what_it_holds(broker: Broker) -> None:
    with (
        redis.Redis(port=broker.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with broker.client() as client:
        found = client.config_get("maxmemory-policy", "appendonly", "bind")
    assert found == {"maxmemory-policy": "noeviction", "appendonly": "yes", "bind": "127.0.0.1"}


def test_a_second_start_finds_the_data_and_replaces_what_was_left(tmp_path: Path) -> None:
    with running_broker(tmp_path / "with space") as first:
        with first.client() as client:
            client.set("kept", "yes")
        left = first.process
        assert left is not None
        with running_broker(first.data_dir) as second:
            assert left.wait(5) == 0
            with second.client() as client:
                assert client.get("kept") == "yes"


def test_survives_a_kill(tmp_path: Path) -> None:
    with running_broker(tmp_path) as broker:
        with broker.client() as client:
            client.set("kept", "yes")
        broker.kill()
        broker.start()
        with broker.client() as client:
            assert client.get("kept") == "yes"


def start(**env: str) -> subprocess.Popen[str]:
    base = {key: value for key, value in os.environ.items() if not key.startswith("NORMSCOPE")}
    return subprocess.Popen(
        [sys.executable, "-m", "backend.local.broker"],
        cwd=ROOT,
        env={**base, **env},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_only_waits_where_the_broker_is_someone_elses() -> None:
    process = start(NORMSCOPE_REDIS_URL="redis://elsewhere:6379/0")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    process.communicate()
    assert process.returncode in (0, -15)


def test_says_what_is_missing_in_one_line() -> None:
    process = start()
    _, told = process.communicate()
    assert process.returncode == 1
    assert told == (
        "normscope: the broker needs NORMSCOPE_REDIS_PORT and NORMSCOPE_REDIS_PASSWORD\n"
    )
