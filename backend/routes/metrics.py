"""Figures for Prometheus: jobs, queue, workers, leases, how far the recorder is, who watches."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from backend.parts import Given, Parts
from backend.routes.health import AWAY
from backend.store import jobs
from worker.contract.wire import LEASE_MS, lease_key, stream_key

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(given: Given, request: Request) -> Response:
    """Figures in Prometheus' text form."""
    with given.store.read() as connection:
        counts, unfinished = jobs.counts(connection), jobs.of_states(connection, jobs.UNFINISHED)
    lines = [*_job_lines(counts, unfinished), *_broker_lines(given, unfinished)]
    lines += _gauge("normscope_event_streams", "open event streams", request.app.state.hub.clients)
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _job_lines(counts: dict[str, int], unfinished: list[jobs.Row]) -> Iterator[str]:
    yield "# HELP normscope_jobs jobs by state"
    yield "# TYPE normscope_jobs gauge"
    for state in (*jobs.UNFINISHED, *jobs.ENDED):
        yield f'normscope_jobs{{state="{state}"}} {counts.get(state, 0)}'
    since = [row["sent_at"] for row in unfinished if row["state"] == "queued"]
    waited = time.time() - min(since) if since else 0.0
    yield from _gauge("normscope_queued_seconds", "how long the oldest queued job waits", waited)


def _broker_lines(given: Parts, unfinished: list[jobs.Row]) -> Iterator[str]:
    running = [row for row in unfinished if row["state"] == "running"]
    try:
        waiting, cards = given.queue.waiting(), given.queue.workers()
        lag, lease = _lag(given, running), _lease(given, running)
    except AWAY:
        yield from _gauge("normscope_broker_up", "whether the broker answers", 0)
        return
    yield from _gauge("normscope_broker_up", "whether the broker answers", 1)
    yield from _gauge("normscope_messages_waiting", "messages no worker has taken", waiting)
    yield from _gauge("normscope_workers", "workers alive", len(cards))
    busy = sum(card.state == "busy" for card in cards)
    yield from _gauge("normscope_workers_busy", "workers that run a job", busy)
    yield from _gauge("normscope_lease_seconds", "since the stalest lease was renewed", lease)
    yield from _gauge("normscope_recorder_lag_seconds", "told but not yet recorded, at most", lag)


def _lag(given: Parts, running: list[jobs.Row]) -> float:
    """Seconds between what a job told last and what of it is recorded, of the job furthest off."""
    with given.queue.redis.pipeline(transaction=False) as pipeline:
        for row in running:
            pipeline.xrevrange(stream_key(row["id"]), count=1)
        newest: Any = pipeline.execute()
    told = [(entries[0][0], row) for entries, row in zip(newest, running, strict=True) if entries]
    return max((_moment(id) - _moment(row["stream_id"], row) for id, row in told), default=0.0)


def _moment(id: str, row: jobs.Row | None = None) -> float:
    """When a stream's entry was added; of a job of which nothing is recorded, when it started."""
    milliseconds = int(id.partition("-")[0])
    return milliseconds / 1000 if milliseconds or row is None else float(row["sent_at"])


def _lease(given: Parts, running: list[jobs.Row]) -> float:
    """Seconds since the lease that was renewed longest ago was; a lost one counts in full."""
    with given.queue.redis.pipeline(transaction=False) as pipeline:
        for row in running:
            pipeline.pttl(lease_key(row["id"]))
        left: Any = pipeline.execute()
    return max(((LEASE_MS - max(one, 0)) / 1000 for one in left), default=0.0)


def _gauge(name: str, help: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} gauge"
    yield f"{name} {value}"
