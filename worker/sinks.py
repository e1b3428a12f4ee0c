"""Where a run's events go: a list, a file of JSON lines, or the job's stream at the broker."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol

import orjson
import redis
from redis.client import Pipeline

from worker.contract import wire
from worker.contract.events import AnyEvent, Measured, to_json
from worker.spill import Spill

TICK_S = 0.05
AWAY_S = 0.25
ENTRY_EVENTS = 2_000

Last = Callable[[Pipeline], object]
"""Commands that go out in one transaction with the last events."""

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What a run tells its events to."""

    def put(self, event: AnyEvent) -> None: ...

    def close(self) -> object: ...


class Memory:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def put(self, event: AnyEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        return


class JsonLines:
    """Writes one event a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def put(self, event: AnyEvent) -> None:
        self.file.write(orjson.dumps(to_json(event), option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        self.file.flush()


class RedisStream:
    """Tells the broker, from a thread of its own, everything since the last flush in one entry.

    `put` never waits; what comes after a quiet tick, and all up to the first measurement, goes out
    at once. While the broker is away events are kept, in memory and then in a file, and
    told in order when it is back. An entry whose reply was lost is told again: the recorder knows
    events by (job, attempt, seq). Each flush also reads whether the job was cancelled.
    """

    def __init__(self, client: redis.Redis, job: str, spill: Path) -> None:
        self.client, self.job = client, job
        self.cancelled = False
        self._ring: deque[AnyEvent] = deque()
        self._quiet = True
        self._wake = threading.Event()
        self.spill = Spill(spill)
        self._last: Last | None = None
        self._over = False
        self._rung = self._measured = False
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._thread.start()

    def put(self, event: AnyEvent) -> None:
        self._ring.append(event)
        if self._quiet:
            self._quiet = False
            self._wake.set()

    def close(self, last: Last = lambda pipe: None, patience_s: float | None = None) -> bool:
        """Tell what is left and, in the same transaction as the newest of it, `last`.

        Waits for the broker as long as that takes, or `patience_s`; False if that was too short.
        """
        self._last = last
        self._wake.set()
        self._thread.join(patience_s)
        told = not self._thread.is_alive()
        self._over = True
        return told

    def abandon(self) -> None:
        """Forget what is left: the job is another's."""
        self._over = True
        self._wake.set()
        self._thread.join()
        self._ring.clear()
        self.spill.clear()

    def _run(self) -> None:
        pause = TICK_S
        while not self._over:
            self._wake.wait(pause)
            self._wake.clear()
            if self._over:
                return
            last = self._last
            self._take()
            try:
                self._tell(last)
                pause = TICK_S
            except (redis.RedisError, OSError) as error:
                if pause == TICK_S:
                    logger.warning("events wait for the broker: %s", error)
                pause = AWAY_S
                continue
            if last is not None:
                return

    def _take(self) -> None:
        """Move what was put into entries."""
        self._quiet = not self._ring or not self._measured
        while self._ring:
            count = min(len(self._ring), ENTRY_EVENTS)
            told = [self._ring.popleft() for _ in range(count)]
            self._measured = self._measured or any(isinstance(e, Measured) for e in told)
            if lines := [line for line in map(encoded, told) if line]:
                self.spill.append(b"[%b]" % b",".join(lines))

    def _tell(self, last: Last | None) -> None:
        """Everything that waits, in order and at most a few entries at a time."""
        while True:
            entries = self.spill.head()
            ending = last if self.spill.holds_only(entries) else None
            with self.client.pipeline(transaction=ending is not None) as pipe:
                if not self._rung and entries:
                    pipe.xadd(wire.BELL, {"job": self.job}, maxlen=10_000, approximate=True)
                for entry in entries:
                    pipe.xadd(wire.stream_key(self.job), {"events": entry})
                if ending is not None:
                    ending(pipe)
                pipe.exists(wire.cancel_key(self.job))
                self.cancelled = bool(pipe.execute()[-1]) or self.cancelled
            self._rung = self._rung or bool(entries)
            self.spill.told(entries)
            if not self.spill:
                return


def encoded(event: AnyEvent) -> bytes | None:
    """The event in JSON; None, and a line in the log, where it is no event at all."""
    try:
        return orjson.dumps(to_json(event), option=orjson.OPT_SERIALIZE_NUMPY)
    except Exception:
        logger.exception("not told: %r", event)
        return None
