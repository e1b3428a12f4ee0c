"""What is asked of a stack through its published port, and what must come of it."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.e2e.explorer import ended

SHORT = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 3}
EVERY = 50
LONG = {**SHORT, "epochs": 100_000, "log_every": EVERY}


def until(look: Callable[[], Any], otherwise: str, seconds: float = 180) -> Any:
    """The first true answer; while the stack is away, patience."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except (httpx.TransportError, httpx.HTTPStatusError):
            pass
        time.sleep(0.2)
    raise AssertionError(otherwise)


def after(seconds: float) -> None:
    """Return when so much time is over: a fault lasts, a state is written each 15 s."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() >= end, "", seconds + 1)


def post(client: httpx.Client, path: str, body: Any = None) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def job_of(client: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/jobs/{id}").raise_for_status().json()
    return found


def launched(client: httpx.Client, kind: str, **spec: Any) -> str:
    return str(post(client, "/jobs", {"kind": kind, "spec": spec})["id"])


def finished(client: httpx.Client, id: str) -> dict[str, Any]:
    job: dict[str, Any] = until(lambda: ended(job_of(client, id)), f"{id} did not end")
    return job


def succeeded(client: httpx.Client, kind: str, **spec: Any) -> str:
    job = finished(client, launched(client, kind, **spec))
    assert job["state"] == "succeeded", job
    return str(job["id"])


def trained(client: httpx.Client) -> str:
    return succeeded(client, "train", **SHORT)


def attacked(client: httpx.Client, network: str) -> str:
    return succeeded(client, "attack", source=network, attacks=[{"name": "pgd"}])


def working(client: httpx.Client) -> str:
    """A long job that measures."""
    job = launched(client, "train", **LONG)
    until(lambda: step(client, job) > 20 * EVERY, "it never measured")
    return job


def step(client: httpx.Client, id: str) -> int:
    return int(job_of(client, id)["progress"]["step"])


def cancelled(client: httpx.Client, id: str) -> None:
    post(client, f"/jobs/{id}/cancel")
    assert finished(client, id)["state"] == "cancelled"


def table(client: httpx.Client, id: str) -> str:
    """Every recorded loss, as CSV."""
    query = {"name": "train/loss", "format": "csv"}
    return client.get(f"/jobs/{id}/measurements", params=query).raise_for_status().text


def measured(client: httpx.Client, id: str) -> list[int]:
    """The steps of every recorded loss."""
    return [int(row["step"]) for row in csv.DictReader(table(client, id).splitlines())]


def second(client: httpx.Client, id: str) -> dict[str, Any] | None:
    """The job, where its second attempt runs."""
    found = job_of(client, id)
    return found if (found["state"], found["attempt"]) == ("running", 2) else None
