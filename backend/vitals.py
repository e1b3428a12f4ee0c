"""How the installation is: jobs, queue, workers, leases, the recorder's lag, sizes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError

from backend.parts import Parts
from backend.store import jobs, size
from worker.contract.wire import LEASE_MS, WorkerCard, lease_key, stream_key


@dataclass(frozen=True)
class Broker:
    """What is known while the broker answers."""

    messages: int
    workers: list[WorkerCard]
    recorders: int
    desks: int
    lag_s: float
    lease_s: float
    sums: Mapping[str, float]


@dataclass(frozen=True)
class Vitals:
    jobs: dict[str, int]
    queued_s: float
    broker: Broker | None
    database_bytes: int
    artifact_bytes: int
    disk_bytes: int
    disk_free_bytes: int


def vitals(given: Parts) -> Vitals:
    """May raise SQLAlchemyError; a broker that is away is a part that is missing."""
    with given.store.read() as connection:
        counts, unfinished = jobs.counts(connection), jobs.of_states(connection, jobs.UNFINISHED)
        database, left = size.of_database(connection), size.of_artifacts(connection)
    since = [row["sent_at"] for row in unfinished if row["state"] == "queued"]
    disk = shutil.disk_usage(given.settings.data_dir)
    return Vitals(
        jobs={state: counts.get(state, 0) for state in (*jobs.UNFINISHED, *jobs.ENDED)},
        queued_s=time.time() - min(since) if since else 0.0,
        broker=_broker(given, [row for row in unfinished if row["state"] == "running"]),
        database_bytes=database,
        artifact_bytes=left,
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
    )


def _broker(given: Parts, running: list[jobs.Row]) -> Broker | None:
    queue = given.queue
    try:
        return Broker(
            messages=queue.waiting(),
            workers=queue.workers(),
            recorders=queue.recorders(),
            desks=queue.desks(),
            lag_s=_lag(given, running),
            lease_s=_lease(given, running),
            sums=queue.sums(),
        )
    except (RedisError, QueueError):
        return None


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
