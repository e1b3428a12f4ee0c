"""The broker as the backend uses it: tickets, Celery messages by name, flags, cards, states."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from celery import Celery
from pydantic import ValidationError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unreachable
from redis.retry import Retry

from worker.contract import wire

KEEP_FLAG_S = 7 * 86_400
STATES_KEPT = 10_000
MOST_ENTRIES = 200
KEEP_RECORDED_MS = 60_000
KEEP_STREAM_S = 3_600
ASK_S = 2.0
"""Shorter than the time in which a socket that stays silent is given up."""

Entries = list[tuple[str, Mapping[str, str]]]
"""Of a stream: ids and fields."""


class Hold(NamedTuple):
    """Whether a worker holds a job now, and the last attempts that one began and ended."""

    leased: bool
    begun: int
    done: int


class Queue:
    """One broker. Every call may raise RedisError or kombu's OperationalError, within seconds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis: Redis = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=3,
            socket_connect_timeout=1,
            retry=Retry(NoBackoff(), 1, (Unreachable,)),  # once: a pooled connection may be stale
        )
        self.celery = _producer(url)

    def close(self) -> None:
        self.celery.close()
        self.redis.close()

    def ping(self) -> None:
        self.redis.ping()

    def send(self, ticket: wire.Ticket) -> None:
        """Lay the ticket down and tell the workers."""
        self.redis.set(wire.ticket_key(ticket.job), ticket.model_dump_json())
        self.celery.send_task(
            wire.TASKS[ticket.kind],
            args=[ticket.job],
            queue=wire.QUEUES[wire.needs(ticket.spec)],
            task_id=task_id(ticket.job, ticket.attempt),
            ignore_result=True,
            retry=True,
            retry_policy={"max_retries": 1, "interval_start": 0},
        )

    def waiting(self, *needs: wire.Needs) -> int:
        """Messages that no worker has taken, of all jobs or of those with such needs."""
        return sum(int(self.redis.llen(wire.QUEUES[need])) for need in needs or wire.QUEUES)

    def cancel(self, job: str) -> None:
        """Raise the flag that a running job looks at."""
        self.redis.set(wire.cancel_key(job), "1", ex=KEEP_FLAG_S)

    def revive(self, job: str) -> None:
        """A job that ended goes on: it is not to be cancelled, and its stream stays."""
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.delete(wire.cancel_key(job))
            pipeline.persist(wire.stream_key(job))
            pipeline.execute()

    def revoke(self, job: str, attempt: int, signal: str) -> None:
        """Have the worker's child process that runs the attempt ended by a signal."""
        self.celery.control.revoke(task_id(job, attempt), terminate=True, signal=signal)

    def holds(self, jobs: Iterable[str]) -> dict[str, Hold]:
        """What workers did with the jobs."""
        names = list(jobs)
        with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.exists(wire.lease_key(name))
                pipeline.get(wire.begun_key(name))
                pipeline.get(wire.done_key(name))
            found = pipeline.execute()
        rows = zip(found[::3], found[1::3], found[2::3], strict=True)
        known = [Hold(bool(held), int(begun or 0), int(done or 0)) for held, begun, done in rows]
        return dict(zip(names, known, strict=True))

    def tail(self, places: Mapping[str, str], block_ms: int) -> dict[str, Entries]:
        """What came to the streams after these ids, in order, waiting for it a moment."""
        keys: Any = dict(places)
        found: Any = self.redis.xread(keys, count=MOST_ENTRIES, block=block_ms)
        return dict(found)

    def trim(self, places: Mapping[str, str]) -> None:
        """Drop what is recorded and so old that no viewer who catches up still needs it."""
        old = int(time.time() * 1000) - KEEP_RECORDED_MS
        with self.redis.pipeline(transaction=False) as pipeline:
            for job, place in places.items():
                oldest = f"{old}-0" if old < int(place.split("-")[0]) else place
                pipeline.xtrim(wire.stream_key(job), minid=oldest)
            pipeline.execute()

    def expire(self, job: str) -> None:
        """The job ended: its ticket goes, its stream stays a while for those who watch."""
        with self.redis.pipeline(transaction=False) as pipeline:
            pipeline.delete(wire.ticket_key(job))
            pipeline.expire(wire.stream_key(job), KEEP_STREAM_S)
            pipeline.execute()

    def release(self, job: str) -> None:
        """Take the lease from a worker that was ended."""
        self.redis.delete(wire.lease_key(job))

    def publish(self, documents: Iterable[dict[str, Any]]) -> None:
        """Tell every watcher these jobs' documents."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for document in documents:
                fields: Any = {"job": orjson.dumps(document)}
                pipeline.xadd(wire.STATES, fields, maxlen=STATES_KEPT, approximate=True)
            pipeline.execute()

    def forget(self, job: str) -> None:
        """Drop what a deleted job left; the cancel flag stays against a late message."""
        keys = (wire.ticket_key, wire.stream_key, wire.lease_key, wire.begun_key)
        self.redis.delete(*(key(job) for key in keys))

    def ask(self, question: wire.Question, seconds: float) -> wire.Answer | None:
        """Lay a question on the desk and wait for its answer; None where none comes in time."""
        self.redis.rpush(wire.ASKED, question.model_dump_json())
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            found: Any = self.redis.blpop([wire.answer_key(question.id)], min(left, ASK_S))
            if found:
                return wire.Answer.model_validate_json(found[1])
        return None

    def show_recorder(self, name: str) -> None:
        """A recorder got through a round."""
        self.redis.set(wire.recorder_key(name), "1", ex=wire.RECORDER_S)

    def recorders(self) -> int:
        """How many recorders get through their rounds."""
        return sum(1 for _ in self.redis.scan_iter(wire.recorder_key("*"), count=1000))

    def count(self, due: Mapping[str, float]) -> None:
        """Add to the sums of what was recorded."""
        with self.redis.pipeline(transaction=True) as pipeline:
            for name, amount in due.items():
                pipeline.hincrbyfloat(wire.SUMS, name, amount)
            pipeline.execute()

    def sums(self) -> dict[str, float]:
        found: Any = self.redis.hgetall(wire.SUMS)
        return {name: float(value) for name, value in found.items()}

    def desks(self) -> int:
        """How many processes answer probes."""
        return sum(1 for _ in self.redis.scan_iter(wire.desk_key("*"), count=1000))

    def workers(self) -> list[wire.WorkerCard]:
        """Who is alive."""
        keys = list(self.redis.scan_iter(wire.worker_key("*"), count=1000))
        cards: Any = self.redis.mget(keys) if keys else []
        found = [card for text in cards if (card := _card(text)) is not None]
        return sorted(found, key=lambda card: card.name)


def task_id(job: str, attempt: int) -> str:
    return f"{job}.{attempt}"


def _card(text: str | None) -> wire.WorkerCard | None:
    try:
        card = wire.WorkerCard.model_validate_json(text or "")
    except ValidationError:
        return None
    return card if time.time() - card.seen < 2 * wire.WORKER_TTL_S else None


def _producer(url: str) -> Celery:
    timeouts = {"socket_timeout": 3, "socket_connect_timeout": 1}
    app = Celery("normscope", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport_options={"visibility_timeout": 86_400, **timeouts},
        broker_connection_timeout=1,
        task_ignore_result=True,
        task_serializer="json",
        task_default_queue=wire.QUEUE,
    )
    return app
