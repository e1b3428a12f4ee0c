"""What Prometheus reads, on jobs that a worker holds and a recorder that lags."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import size
from backend.store.engine import Store
from backend.tally import Tally
from tests.backend.live import put
from tests.backend.parts import calling, train
from tests.backend.populated import TENSORS, populate
from tests.broker import free_port
from tests.e2e.explorer import until
from worker.contract.events import Teller
from worker.contract.settings import Settings
from worker.contract.wire import BELL, LEASE_MS, lease_key


def families(client: TestClient) -> dict[str, Metric]:
    """What Prometheus' own parser reads."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def figures(client: TestClient) -> dict[str, float]:
    """Each sample's value by its name and its labels' values."""
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in families(client).values()
        for sample in family.samples
    }


def test_a_job_waits_runs_and_is_recorded_late(
    client: TestClient, store: Store, queue: Queue
) -> None:
    job = client.post("/jobs", json=train()).json()["id"]
    waits = figures(client)
    assert waits["normscope_jobs queued"] == 1
    assert 0 < waits["normscope_queued_seconds"] < 600
    assert (waits["normscope_lease_seconds"], waits["normscope_recorder_lag_seconds"]) == (0, 0)

    teller, recorder = Teller(job, 1, "w"), Recorder(store, queue)
    queue.redis.set(lease_key(job), "1:w", px=LEASE_MS - 5000)
    queue.redis.xadd(BELL, {"job": job})
    put(queue, job, teller.started("cpu", 10, 1.0, "hash"))
    for _ in range(3):
        recorder.turn(1)
    runs = figures(client)
    assert runs["normscope_jobs running"] == 1
    assert runs["normscope_queued_seconds"] == 0
    assert 5 <= runs["normscope_lease_seconds"] <= LEASE_MS / 1000
    assert runs["normscope_recorder_lag_seconds"] == 0

    put(queue, job, teller.measured(1, 0.1, {"train/loss": 1.0}))
    assert figures(client)["normscope_recorder_lag_seconds"] > 0
    for _ in range(3):
        recorder.turn(1)
    assert figures(client)["normscope_recorder_lag_seconds"] == pytest.approx(0)


def test_points_and_step_times_are_counted_as_they_are_recorded(
    client: TestClient, queue: Queue, store: Store
) -> None:
    recorder = Recorder(store, queue)
    for seconds in (0.02, 5.0):
        job = client.post("/jobs", json=train()).json()["id"]
        teller = Teller(job, 1, "w")
        queue.redis.set(lease_key(job), "1:w", px=LEASE_MS)
        queue.redis.xadd(BELL, {"job": job})
        began, values = teller.started("cpu", 10, 1.0, "hash"), {"a": 1.0, "b": 2.0}
        told = [teller.measured(n, 0, values, 1000 + n * seconds) for n in range(11)]
        put(queue, job, began, *told[:3])
        put(queue, job, *told[3:])

    def counted() -> bool:
        recorder.turn(1)
        return figures(client)["normscope_step_seconds_count train"] == 20

    until(counted, 60, "not all is counted")
    found = figures(client)
    assert found["normscope_points_recorded_total"] == 2 * 11 * 2
    assert found["normscope_step_seconds_sum train"] == pytest.approx(10 * 0.02 + 10 * 5.0)
    buckets = {le: found[f"normscope_step_seconds_bucket train {le}"] for le in BUCKETS}
    assert buckets == {"0.01": 0, "0.03": 10, "3.0": 10, "10.0": 20, "+Inf": 20}
    assert found["normscope_step_seconds_count attack"] == 0
    assert families(client)["normscope_step_seconds"].type == "histogram"


BUCKETS = ("0.01", "0.03", "3.0", "10.0", "+Inf")


def test_a_step_that_took_no_time_or_went_back_counts_for_nothing() -> None:
    tally = Tally()
    job = {"id": "a", "kind": "train"}
    tally.add(job, [point(1, 5, 10.0), point(1, 5, 11.0)])
    tally.add(job, [point(1, 6, 9.0)])
    assert tally.due == {"points": 3}
    tally.add(job, [point(2, 3, 20.0), point(2, 5, 21.0)])
    assert (tally.due["steps train 1.0"], tally.due["seconds train"]) == (2, 1.0)


def point(attempt: int, step: int, at: float) -> dict[str, float]:
    return {"attempt": attempt, "step": step, "time": at}


def test_sizes_are_told_without_a_broker_too(
    client: TestClient, store: Store, settings: Settings
) -> None:
    populate(store, settings.data_dir)
    found = figures(client)
    assert found["normscope_artifact_bytes"] == len(TENSORS)
    assert found["normscope_database_bytes"] > 10_000
    assert found["normscope_disk_free_bytes"] > 0
    assert (found["normscope_broker_up"], found["normscope_recorders"]) == (1, 0)
    away = Queue(f"redis://127.0.0.1:{free_port()}/0")
    with calling(settings, store, away) as alone:
        found = figures(alone)
    away.close()
    assert (found["normscope_broker_up"], found["normscope_jobs queued"]) == (0, 1)
    assert "normscope_workers" not in found


def test_sizes_in_either_database(any_store: Store, tmp_path: Path) -> None:
    populate(any_store, tmp_path)
    with any_store.read() as connection:
        assert size.of_database(connection) > 10_000
        assert size.of_artifacts(connection) == len(TENSORS)
