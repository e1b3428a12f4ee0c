"""What Prometheus reads, on jobs that a worker holds and a recorder that lags."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store
from tests.backend.live import put
from tests.backend.parts import train
from worker.contract.events import Teller
from worker.contract.wire import BELL, LEASE_MS, lease_key


def figures(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    told = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in told}


def test_a_job_waits_runs_and_is_recorded_late(
    client: TestClient, store: Store, queue: Queue
) -> None:
    job = client.post("/jobs", json=train()).json()["id"]
    waits = figures(client)
    assert waits['normscope_jobs{state="queued"}'] == 1
    assert 0 < waits["normscope_queued_seconds"] < 600
    assert (waits["normscope_lease_seconds"], waits["normscope_recorder_lag_seconds"]) == (0, 0)

    teller, recorder = Teller(job, 1, "w"), Recorder(store, queue)
    queue.redis.set(lease_key(job), "1:w", px=LEASE_MS - 5000)
    queue.redis.xadd(BELL, {"job": job})
    put(queue, job, teller.started("cpu", 10, 1.0, "hash"))
    for _ in range(3):
        recorder.turn(1)
    runs = figures(client)
    assert runs['normscope_jobs{state="running"}'] == 1
    assert runs["normscope_queued_seconds"] == 0
    assert 5 <= runs["normscope_lease_seconds"] <= LEASE_MS / 1000
    assert runs["normscope_recorder_lag_seconds"] == 0

    put(queue, job, teller.measured(1, 0.1, {"train/loss": 1.0}))
    assert figures(client)["normscope_recorder_lag_seconds"] > 0
    for _ in range(3):
        recorder.turn(1)
    assert figures(client)["normscope_recorder_lag_seconds"] == pytest.approx(0)
