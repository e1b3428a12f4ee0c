"""An attempt that takes too long or too much ends with the reason, and can be resumed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.broker import running_broker
from tests.worker.desk import LONG, running_worker
from worker.contract.settings import Settings
from worker.lab.core.errors import LabError
from worker.limits import MB, Limits


def test_time_runs_out() -> None:
    limits = Limits(Settings(attempt_limit_s=0.2))
    limits.check()
    time.sleep(0.25)
    with pytest.raises(LabError, match=r"longer than 0\.2 s") as error:
        limits.check()
    assert error.value.code == "time_limit"


def test_memory_runs_out() -> None:
    here = psutil.Process().memory_info().rss // MB
    Limits(Settings(memory_limit_mb=10 * here)).check()
    with pytest.raises(LabError, match="MB of memory, of 1 ") as error:
        Limits(Settings(memory_limit_mb=1)).check()
    assert error.value.code == "memory_limit"


HOLDING = "held = bytearray(200 << 20); print(flush=True); input()"


def test_the_memory_of_all_processes_that_share_an_attempt_counts() -> None:
    here = psutil.Process().memory_info().rss // MB
    command = [sys.executable, "-c", HOLDING]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as peer:
        assert peer.stdout is not None
        peer.stdout.readline()
        Limits(Settings(memory_limit_mb=here + 150)).check()
        with pytest.raises(LabError, match="its processes took") as error:
            Limits(Settings(memory_limit_mb=here + 150), processes=2).check()
        peer.communicate(b"\n")
    assert error.value.code == "memory_limit"


def test_without_limits_nothing_ends() -> None:
    Limits(Settings()).check()


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [("ATTEMPT_LIMIT_S", "1", "time_limit"), ("MEMORY_LIMIT_MB", "1", "memory_limit")],
)
def test_a_job_beyond_a_limit_fails_and_the_worker_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: str
) -> None:
    monkeypatch.setenv(f"NORMSCOPE_{variable}", value)
    with running_broker(tmp_path) as broker, running_worker(broker) as desk:
        for _ in range(2):
            *_, last = desk.finish(desk.send(LONG), 60)
            assert (last["type"], last["code"]) == ("failed", code)
