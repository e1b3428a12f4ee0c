"""What a job's page says while the job waits."""

from __future__ import annotations

from typing import Any

import pytest

from frontend.views.line import why


def job(id: str, device: str = "auto") -> Any:
    return {"id": id, "spec": {"device": device}}


def worker(state: str = "idle", kind: str = "cpu", reason: str = "") -> Any:
    return {"name": "w", "device": kind, "kind": kind, "state": state, "reason": reason}


@pytest.mark.parametrize(
    ("device", "workers", "told"),
    [
        ("auto", [], "waiting: no worker is alive"),
        ("auto", [worker()], "next in line"),
        ("auto", [worker("busy"), worker("lost", reason="no GPU")], "every worker is busy"),
        ("auto", [worker("busy"), worker("starting")], "next in line; a worker is starting"),
        ("auto", [worker("lost", reason="no GPU")], "no worker takes jobs (no GPU)"),
        ("cuda", [worker()], "waits for a GPU; none is connected"),
        ("cuda", [worker("lost", "cuda", "no GPU")], "none is connected (no GPU)"),
        ("cuda", [worker("busy"), worker(kind="cuda")], "next in line"),
        ("cuda", [worker(), worker("busy", "cuda")], "next in line; every worker is busy"),
    ],
)
def test_a_waiting_job_says_for_whom_it_waits(device: str, workers: list[Any], told: str) -> None:
    said = why(job("a", device), [job("a", device)], workers)
    assert said.endswith(told)


def test_those_who_wait_for_a_gpu_are_a_line_of_their_own() -> None:
    queued, workers = [job("a", "cuda"), job("b"), job("c", "cuda")], [worker(kind="cuda")]
    said = {one["id"]: why(one, queued, workers) for one in queued}
    assert said == {
        "a": "next in line",
        "b": "next in line",
        "c": "waiting: 1 job before it",
    }
