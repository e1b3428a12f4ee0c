"""The line in which jobs wait: for a worker, or for one that has a GPU."""

from __future__ import annotations

from collections.abc import Sequence

from frontend.api import Job, Worker


def why(job: Job, queued: Sequence[Job], workers: Sequence[Worker]) -> str:
    """Why a queued job does not run yet; `queued` are all that wait, the oldest first."""
    if not workers:
        return "waiting: no worker is alive"
    gpu = _needs_gpu(job)
    able = [one for one in workers if one["state"] != "lost" and (one["kind"] == "cuda" or not gpu)]
    if not able:
        return _nobody(gpu, workers)
    line = [one for one in queued if _needs_gpu(one) == gpu]
    ahead = next((at for at, one in enumerate(line) if one["id"] == job["id"]), 0)
    if ahead:
        return f"waiting: {ahead} {'job' if ahead == 1 else 'jobs'} before it"
    states = {worker["state"] for worker in able}
    if states == {"busy"}:
        return "next in line; every worker is busy"
    return "next in line" if "idle" in states else "next in line; a worker is starting"


def _needs_gpu(job: Job) -> bool:
    return job["spec"].get("device") == "cuda"


def _nobody(gpu: bool, workers: Sequence[Worker]) -> str:
    told = "waits for a GPU; none is connected" if gpu else "waiting: no worker takes jobs"
    reasons = [one["reason"] for one in workers if one["state"] == "lost"]
    return f"{told} ({reasons[0]})" if reasons else told
