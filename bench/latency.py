"""From the browser's POST to the first point, and from a training step to the viewer."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.table import Row
from tests.e2e.explorer import Explorer, running

JOBS = 15


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as explorer:
        watch(explorer, 5)
        first, lags = [], []
        for _ in range(JOBS):
            began, seen, told = watch(explorer, 20)
            first.append(1000 * (seen - began))
            lags += told
        yield Row(
            "POST to first measurement in an SSE client, median",
            f"{statistics.median(first):.0f} ms",
            "<= 500 ms",
            f"{JOBS} jobs, worst {max(first):.0f} ms",
        )
        lags.sort()
        yield Row(
            "training step to SSE client, p95",
            f"{lags[int(0.95 * len(lags))]:.0f} ms",
            "<= 150 ms",
            f"{len(lags)} points, median {statistics.median(lags):.0f} ms",
        )


def watch(explorer: Explorer, epochs: int) -> tuple[float, float, list[float]]:
    """When a job was posted, when its first point came, and every point's age in milliseconds."""
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": epochs}
    ages: list[float] = []
    seen = 0.0
    with explorer.client() as client:
        began = time.time()
        job = client.post("/jobs", json={"kind": "train", "spec": spec}).raise_for_status().json()
        for kind, data in events(client, job["id"]):
            now = time.time()
            if kind == "measured":
                seen = seen or now
                steps = {item["step"]: item["time"] for item in data["items"]}
                ages += [1000 * (now - at) for at in steps.values()]
            elif data["state"] in {"succeeded", "failed", "cancelled"}:
                assert data["state"] == "succeeded", data["error"]
                return began, seen, ages
    raise RuntimeError("the stream ended before the job")


def events(client: httpx.Client, job: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a job: their kind and data."""
    with client.stream("GET", f"/events?jobs={job}", timeout=60) as response:
        kind = ""
        for line in response.iter_lines():
            if line.startswith("event:"):
                kind = line[6:].strip()
            elif line.startswith("data:"):
                yield kind, json.loads(line[5:])
