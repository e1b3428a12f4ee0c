"""From the request for a job to its first plotted point: one trace through every process."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import explorer as e2e
from tests.e2e.otlp import Collector, Span, collecting

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("traces")]

TINY = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 1}
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}
STAGES = {"load data", "build", "first step"}
ENDS_S = 60


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def traced(
    collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[e2e.Explorer]:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **SOON}
    with e2e.running(tmp_path_factory.mktemp("traced"), **where) as explorer:
        yield explorer


def asked(client: httpx.Client, **spec: Any) -> str:
    job = {"kind": "train", "spec": {**TINY, **spec}}
    return str(client.post("/jobs", json=job).raise_for_status().json()["id"])


def watch(explorer: e2e.Explorer, job: str, connected: threading.Event) -> None:
    """Until the job's first point is here."""
    with explorer.client() as client, client.stream("GET", f"/events?jobs={job}") as answer:
        for line in answer.iter_lines():
            connected.set()
            if line == "event: measured":
                return


def followed(collector: Collector, job: str, names: set[str]) -> dict[str, list[Span]]:
    """The job's spans by name, once all of these have come."""

    def look() -> bool:
        return names <= {span.name for span in collector.of(job)}

    e2e.until(look, ENDS_S, f"no {names - {span.name for span in collector.of(job)}}")
    spans = collector.of(job)
    return {name: [span for span in spans if span.name == name] for name in names}


def test_one_trace_leads_from_the_request_to_the_plotted_point(
    traced: e2e.Explorer, collector: Collector
) -> None:
    with traced.client() as client:
        before = asked(client, epochs=5000)  # the only worker is busy until somebody watches
        job, connected = asked(client), threading.Event()
        viewer = threading.Thread(target=watch, args=(traced, job, connected))
        viewer.start()
        assert connected.wait(ENDS_S)
        client.post(f"/jobs/{before}/cancel").raise_for_status()
    traced.wait_job(job)
    viewer.join(ENDS_S)
    post = "POST /api/v1/jobs"
    found = followed(collector, job, {post, "queued", "attempt", "record", "send"} | STAGES)
    ((root,), (queued,), (attempt,), (sent,)) = (
        found[name] for name in (post, "queued", "attempt", "send")
    )
    assert root.parent == ""
    assert queued.parent == root.id
    assert attempt.parent == queued.id
    for stage in STAGES:
        assert [span.parent for span in found[stage]] == [attempt.id]
    assert {span.parent for span in found["record"]} == {sent.parent} == {attempt.id}
    services = {span.name: span.service for spans in found.values() for span in spans}
    assert services[post] == services["send"] == "normscope-api"
    assert services["record"] == "normscope-recorder"
    assert services["attempt"] == services["queued"] == "normscope-worker"
    for one in (root, queued, attempt, sent, *found["record"]):
        assert one.facts["normscope.job"] == job
    in_turn = [root, queued, attempt, *(found[name][0] for name in ("load data", "build"))]
    assert [span.start for span in in_turn] == sorted(span.start for span in in_turn)
    (first,) = found["first step"]
    assert found["build"][0].end <= first.start
    assert queued.end <= attempt.start
    assert sent.start >= first.start
    assert len(collector.of(job)) < 20, "no span a step"


def test_a_viewer_who_comes_later_is_in_the_trace_too(
    traced: e2e.Explorer, collector: Collector
) -> None:
    with traced.client() as client:
        job = asked(client)
    traced.wait_job(job)
    watch(traced, job, threading.Event())
    post = "POST /api/v1/jobs"
    found = followed(collector, job, {post, "send"})
    assert [span.parent for span in found["send"]] == [found[post][0].id]


@pytest.mark.slow
def test_an_attempt_after_a_lost_worker_is_in_the_same_trace(
    traced: e2e.Explorer, collector: Collector
) -> None:
    with traced.client() as client:
        job = asked(client, epochs=5000)

        def runs(attempt: int) -> bool:
            told = client.get(f"/jobs/{job}").json()
            return bool(told["state"] == "running" and told["attempt"] == attempt)

        e2e.until(lambda: runs(1), ENDS_S, "never ran")
        (worker,) = client.get("/workers").json()["items"]
        next(one for one in traced.processes() if one.pid == worker["pid"]).terminate()
        e2e.until(lambda: runs(2), ENDS_S, "never went on")
        client.post(f"/jobs/{job}/cancel").raise_for_status()
    traced.wait_job(job)

    def attempts() -> set[int]:
        spans = collector.of(job)
        return {one.facts["normscope.attempt"] for one in spans if one.name == "attempt"}

    e2e.until(lambda: attempts() == {1, 2}, ENDS_S, f"attempts {attempts()}")
    assert len({span.trace for span in collector.of(job)}) == 1


def test_no_secret_is_told(traced: e2e.Explorer, collector: Collector) -> None:
    with traced.client() as client:
        client.post("/jobs", params={"token": traced.token}, json={})
        refused = client.post("/jobs", json={}, headers={"Cookie": f"x={traced.token}"})
        assert refused.status_code == 422
        job = asked(client, epochs=2)
    traced.wait_job(job)
    followed(collector, job, {"attempt"})
    password = _password(traced)
    told = b"".join(collector.bodies)
    assert job.encode() in told
    for secret in (traced.token, password, str(traced.data_dir)):
        assert secret.encode() not in told


def _password(explorer: e2e.Explorer) -> str:
    """The embedded broker's."""
    found = (process.environ() for process in explorer.processes()[1:])
    return next(env["NORMSCOPE_REDIS_PASSWORD"] for env in found if "NORMSCOPE_REDIS_URL" in env)


@pytest.mark.slow
def test_a_collector_that_hangs_or_is_away_costs_nothing(tmp_path: Path) -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(100)
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        explorer = e2e.start(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=url, **SOON)
        try:
            with e2e.wait_ready(explorer).client() as client:
                assert explorer.wait_job(asked(client))["state"] == "succeeded"
                deaf.accept()[0].close()  # somebody did call
                deaf.close()
                assert explorer.wait_job(asked(client))["state"] == "succeeded"
        finally:
            ending = time.monotonic()
            left = e2e.stop(explorer)
        assert left == []
        assert time.monotonic() - ending < 15


LOADED = """
import sys
import backend.api, backend.recorder, worker.child, worker.runner
from worker.contract import traces
traces.begin("test")
with traces.follow("00-" + "1" * 32 + "-" + "1" * 16 + "-01", "nothing") as told:
    assert told is traces.current() is None
traces.end()
parts = ("opentelemetry.sdk.trace", "opentelemetry.exporter", "requests")
print([name for name in sys.modules if name.startswith(parts)])
"""


def test_nothing_is_loaded_where_no_collector_is_named() -> None:
    """Redis' client loads the SDK's metrics, its own, wherever they are installed."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
    told = subprocess.run(
        [sys.executable, "-c", LOADED], env=env, cwd=e2e.ROOT, capture_output=True, text=True
    )
    assert told.stdout == "[]\n", told.stderr
