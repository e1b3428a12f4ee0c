"""From the wish to cancel a running job to its end, as the store tells it."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.latency import events
from bench.table import Row
from tests.e2e.explorer import running

JOBS = 20
SPEC: dict[str, Any] = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 100_000}


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as explorer:
        with explorer.client() as client:
            took = sorted(1000 * cancelled(client) for _ in range(JOBS))
        yield Row(
            "cancel of digits-mlp to its end, median",
            f"{statistics.median(took):.0f} ms",
            "<= 200 ms",
            f"{JOBS} jobs, worst {took[-1]:.0f} ms",
        )


def cancelled(client: httpx.Client) -> float:
    """Seconds until the end of a job that measures, once it is asked to stop."""
    body = {"kind": "train", "spec": SPEC}
    job = client.post("/jobs", json=body).raise_for_status().json()["id"]
    asked = 0.0
    for kind, data in events(client, job):
        if kind == "measured" and not asked:
            asked = time.monotonic()
            client.post(f"/jobs/{job}/cancel").raise_for_status()
        elif kind == "state" and data["state"] == "cancelled":
            return time.monotonic() - asked
    raise RuntimeError("the stream ended before the job")
