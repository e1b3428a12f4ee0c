"""The network between a worker and the broker is cut: shortly, and for longer than a lease."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e import explorer as e2e
from tests.faults.phases import LOSS, SMALL, end
from tests.faults.severed import Cable, broker_at_the_cable, cable, worker_beyond
from tests.faults.stand import PATIENCE_S, Stand, standing
from worker.contract.wire import LEASE_MS

pytestmark = [
    pytest.mark.faults,
    pytest.mark.e2e,
    pytest.mark.skipif(
        os.getuid() != 0 or shutil.which("ip") is None,
        reason="network namespaces need root and the program ip",
    ),
]

SHORT_S, LONG_S = 4.0, LEASE_MS / 1000 + 15.0
SPEC = {**SMALL, "epochs": 250}


@pytest.fixture(scope="module")
def severed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, Cable]]:
    """An explorer with a worker of its own and one beyond the cable."""
    folder = tmp_path_factory.mktemp("severed")
    with ExitStack() as stack:
        try:
            laid = stack.enter_context(cable())
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        url = stack.enter_context(broker_at_the_cable(folder / "broker"))
        stand = stack.enter_context(standing(folder / "data", 1, redis_url=url))
        stack.enter_context(worker_beyond(laid, stand.explorer.env))
        e2e.until(lambda: len(stand.ask("GET", "/workers")["items"]) == 2, PATIENCE_S, "one worker")
        yield stand, laid


@pytest.mark.parametrize("seconds", [SHORT_S, LONG_S], ids=["short", "longer than a lease"])
def test_a_cut_loses_nothing_and_doubles_nothing(
    severed: tuple[Stand, Cable], seconds: float
) -> None:
    stand, laid = severed
    jobs = [stand.post({"kind": "train", "spec": SPEC}) for _ in range(2)]
    for job in jobs:
        e2e.until(lambda job=job: stand.points(job, LOSS), PATIENCE_S, "never ran")
    beyond = next(job for job in jobs if _is_beyond(stand, job))
    laid.cut()
    time.sleep(seconds)
    laid.mend()
    ended = {job: stand.explorer.wait_job(job, PATIENCE_S) for job in jobs}
    assert {done["state"] for done in ended.values()} == {"succeeded"}
    cut, kept = (end(stand, "training", job) for job in (beyond, (set(jobs) - {beyond}).pop()))
    assert cut.sha256 == kept.sha256, "other weights than the same job's whose network held"
    assert cut.told == kept.told
    assert (ended[beyond]["attempt"] > 1) == (seconds == LONG_S)


def _is_beyond(stand: Stand, job: str) -> bool:
    """Whether the explorer's own worker does not run it."""
    pid = int(stand.job(job)["worker"].rpartition("-")[2])
    return pid not in {process.pid for process in stand.explorer.processes()}
