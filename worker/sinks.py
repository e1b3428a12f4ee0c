"""Where a run's events go: a list, a file of JSON lines, or the job's stream at the broker."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Protocol

import orjson
import redis
from redis.client import Pipeline

from worker.contract import wire
from worker.contract.events import AnyEvent, Measured, to_json
from worker.spill import Spill

GATHER_S = 0.02
"""What comes this soon after an event goes out with it, in one entry."""
LOOK_S, AWAY_S = 0.2, 0.25
"""How often a quiet run looks whether it was cancelled, and a lost broker is tried again."""
ENTRY_EVENTS = 2_000

Last = Callable[[Pipeline], object]
"""Commands that go out in one transaction with the last events."""

logger = logging.getLogger(__name__)


class Sink(Protocol):
    """What a run tells its events to. They are `settled` up to a number once the end of this
    process would not lose them."""

    def put(self, event: AnyEvent) -> None: ...

    def settled(self, seq: int) -> bool: ...


class Memory:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []

    def put(self, event: AnyEvent) -> None:
        self.events.append(event)

    def settled(self, seq: int) -> bool:
        return True

    def close(self) -> None:
        return


class JsonLines:
    """Writes one event a line."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def put(self, event: AnyEvent) -> None:
        self.file.write(orjson.dumps(to_json(event), option=orjson.OPT_APPEND_NEWLINE))

    def settled(self, seq: int) -> bool:
        self.file.flush()
        return True

    def close(self) -> None:
        self.file.flush()


class RedisStream:
    """Tells the broker, from a thread of its own, what comes within a moment in one entry.

    `put` never waits, and all up to the first measurement goes out at once. While the broker is
    away events are kept, in memory and then in a file, and told in order when it is back. An entry
    whose reply was lost is told again: the recorder knows events by (job, attempt, seq). Each
    entry's reply, and a look now and then, says whether the job was cancelled. What goes out up to
    the first measurement carries the run's `trace`, if it has one.
    """

    def __init__(
        self, client: redis.Redis, job: str, spill: Path, trace: str | None = None
    ) -> None:
        self.client, self.job = client, job
        self._mark: dict[str, str] = {"trace": trace} if trace else {}
        self.cancelled = False
        self._ring: deque[AnyEvent] = deque()
        self._wake = threading.Event()
        self.spill = Spill(spill)
        self._last: Last | None = None
        self._over = False
        self._rung = self._measured = False
        self._taken = self._told = 0
        self._thread = threading.Thread(target=self._run, name="sink", daemon=True)
        self._thread.start()

    def put(self, event: AnyEvent) -> None:
        self._ring.append(event)
        if not self._wake.is_set():
            self._wake.set()

    def settled(self, seq: int) -> bool:
        return self._told >= seq

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
        away = False
        while not self._over:
            if self._wake.wait(LOOK_S) and self._measured and self._last is None:
                time.sleep(GATHER_S)
            self._wake.clear()
            if self._over:
                return
            last = self._last
            self._take()
            try:
                self._tell(last)
                away = False
            except (redis.RedisError, OSError) as error:
                if not away:
                    logger.warning("events wait for the broker: %s", error)
                away = True
                time.sleep(AWAY_S)
                continue
            if last is not None:
                return

    def _take(self) -> None:
        """Move what was put into entries."""
        while self._ring:
            count = min(len(self._ring), ENTRY_EVENTS)
            told = [self._ring.popleft() for _ in range(count)]
            self._measured = self._measured or any(isinstance(e, Measured) for e in told)
            self._taken = told[-1].last_seq
            if lines := [line for line in map(encoded, told) if line]:
                self.spill.append(b"[%b]" % b",".join(lines))

    def _tell(self, last: Last | None) -> None:
        """Everything that waits, in order and at most a few entries at a time: all of them or none.
        Else a broker that refuses the first (it loads, its memory is full) and takes the next
        would have the recorder leave out the first when it comes again."""
        while True:
            entries = self.spill.head()
            ending = last if self.spill.holds_only(entries) else None
            with self.client.pipeline(transaction=True) as pipe:
                if not self._rung and entries:
                    pipe.xadd(wire.BELL, {"job": self.job}, maxlen=10_000, approximate=True)
                for entry in entries:
                    fields: Any = {"events": entry, **self._mark}
                    pipe.xadd(wire.stream_key(self.job), fields)
                if ending is not None:
                    ending(pipe)
                pipe.exists(wire.cancel_key(self.job))
                self.cancelled = bool(pipe.execute()[-1]) or self.cancelled
            self._rung = self._rung or bool(entries)
            self.spill.told(entries)
            if not self.spill:
                self._told = self._taken
                if self._measured:
                    self._mark = {}
                return


def encoded(event: AnyEvent) -> bytes | None:
    """The event in JSON; None, and a line in the log, where it is no event at all."""
    try:
        return orjson.dumps(to_json(event), option=orjson.OPT_SERIALIZE_NUMPY)
    except Exception:
        logger.exception("not told: %r", event)
        return None
