"""A worker process: warm before its first job, then one attempt at a time."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import redis

from worker.broker import connect
from worker.contract import traces, wire
from worker.contract.events import (
    DEVICE_FAILED,
    AnyEvent,
    Failed,
    Finished,
    Measured,
    Saved,
    Started,
    Teller,
)
from worker.contract.settings import Settings
from worker.departure import Departure
from worker.lease import Lease
from worker.limits import Limits
from worker.presence import Presence
from worker.sinks import RedisStream
from worker.staging import Staging
from worker.warm import load, measured, rehearse

MOST_PATIENCE_S = 4.0
"""For the next step: less than a cancelled job's first signal is before its second."""

logger = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Celery asks Linux to kill an orphan; elsewhere nobody would."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


class Child:
    """What a process holds between its jobs."""

    def __init__(self, settings: Settings) -> None:
        assert settings.redis_url is not None
        end_with_parent()
        traces.begin("worker")
        self.settings = settings
        self.client = connect(settings.redis_url)
        warmth = load(settings)
        self.presence = Presence(
            self.client,
            warmth.device,
            warmth.flops_per_s,
            kind="cpu" if warmth.device == "cpu" else "cuda",
            memory_bytes=warmth.memory_bytes,
        )
        rehearse(settings)
        self.presence.ready(measured().flops_per_s)

    def close(self) -> None:
        self.presence.close()
        traces.end()

    def perform(self, job: str) -> None:
        """The attempt that the job's ticket asks for, unless it is over or another has it."""
        ticket = self._ticket(job)
        if ticket is None:
            return
        name = self.presence.card.name
        lease = Lease(self.client, job, ticket.attempt, name)
        if not lease.take():
            return
        patience = min(self.settings.grace_s / 3, MOST_PATIENCE_S)
        with (
            closing(lease),
            self.presence.busy(job),
            Departure(patience) as departure,
            _traced(ticket, name),
        ):
            Attempt(self.client, self.settings, ticket, lease, name, departure).run()
        if departure.wished:
            raise SystemExit

    def _ticket(self, job: str) -> wire.Ticket | None:
        found = self.client.get(wire.ticket_key(job))
        return wire.Ticket.model_validate_json(found) if isinstance(found, bytes) else None


@contextmanager
def _traced(ticket: wire.Ticket, worker: str) -> Iterator[None]:
    """The attempt in the trace of whoever asked for the job, after the time that it waited."""
    facts: dict[str, Any] = {"job": ticket.job, "attempt": ticket.attempt}
    with traces.follow(ticket.trace, "queued", ticket.since, **facts) as queued:
        pass
    with traces.follow(queued, "attempt", kind=ticket.kind, worker=worker, **facts):
        yield


class Attempt:
    """One run of a job, from its first event to its last."""

    def __init__(
        self,
        client: redis.Redis,
        settings: Settings,
        ticket: wire.Ticket,
        lease: Lease,
        worker: str,
        departure: Departure,
    ) -> None:
        self.staging = Staging(settings, ticket)
        self.settings, self.ticket, self.lease = self.staging.settings, ticket, lease
        waiting = wire.artifact_path(
            self.settings.data_dir, ticket.job, ticket.attempt, "waiting.jsonl"
        )
        self.folder = waiting.parent
        self.departure = departure
        self.tell = Teller(ticket.job, ticket.attempt, worker)
        self.limits = Limits(settings, ticket.spec.get("processes", 1))
        self.sink = RedisStream(client, ticket.job, waiting, traces.current())
        self._started: float | None = None

    def run(self) -> None:
        """A termination hands the job back, and so does a device that failed, with which this
        process can do nothing any more; a lost lease ends it without another word."""
        last = self.lease.hand_back
        try:
            ending = self._run()
            traces.note(ended=ending.code if isinstance(ending, Failed) else ending.state)
            if isinstance(ending, Failed) and ending.code == DEVICE_FAILED:
                last = partial(self.lease.lose, ending.message)
                raise SystemExit
            if self._hands_back(ending):
                raise SystemExit
            if self._close(self.lease.end):
                self._conclude(ending)
                self.staging.sync()
        except SystemExit:
            self.departure.begins()
            self.lease.close()
            self._close(last, self.settings.grace_s / 3)
            raise
        finally:
            self.staging.close()

    def _close(self, last: Callable[..., None], patience_s: float | None = None) -> bool:
        """Whether all was told. What the next attempt needs is in its place before it may begin."""
        if self.lease.lost:
            self.sink.abandon()
            return False
        self.staging.sync()
        return self.sink.close(last, patience_s)

    def _conclude(self, ending: Finished | Failed) -> None:
        from worker.runner import conclude

        conclude(self.folder, ending)

    def _run(self) -> Finished | Failed:
        try:
            from worker.runner import run

            self.staging.bring()
            return run(self.ticket, self, self.stop, self.settings, self.tell)
        except Exception as error:
            logger.exception("job %s", self.ticket.job)
            ending = self.tell.failed("internal", f"{type(error).__name__}: {error}")
            self.sink.put(ending)
            return ending

    def stop(self) -> bool:
        """A lost lease silences the sink first: the end that follows is not for others to hear.
        Raises LabError where the attempt goes beyond its limits."""
        if self.lease.lost:
            self.sink.abandon()
        self.limits.check()
        return self.lease.lost or self.sink.cancelled or self.departure.wished

    def put(self, event: AnyEvent) -> None:
        """To the sink; that the process had to leave is no end of the job."""
        if isinstance(event, Saved):
            self.staging.put(event.name)
        self._trace(event)
        if not self._hands_back(event):
            self.sink.put(event)

    def _trace(self, event: AnyEvent) -> None:
        """From the start of the steps to what they told first."""
        if isinstance(event, Started):
            self._started = event.time
        elif isinstance(event, Measured) and self._started is not None:
            with traces.follow(traces.current(), "first step", self._started):
                self._started = None

    def settled(self, seq: int) -> bool:
        return self.sink.settled(seq)

    def _hands_back(self, event: AnyEvent) -> bool:
        """Whether this is how a job stops that somebody else shall go on with."""
        if isinstance(event, Failed):
            return event.code == DEVICE_FAILED
        stopped = isinstance(event, Finished) and event.state == "cancelled"
        return stopped and self.departure.wished and not self.sink.cancelled
