"""One reader of the broker's streams for all who watch, each behind a bounded queue.

What is live comes from the streams, so curves go on while the recorder is down.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from backend.news import Batch, News, State, batches, state_of
from worker.contract.wire import STATES, stream_key

log = logging.getLogger(__name__)

BLOCK_MS = 5_000
AGAIN_S = 0.25
STANDSTILL_S = 30.0
"""Half of what the recorder leaves in a stream."""
MOST_ENTRIES = 500
MOST_WAITING = 20_000
"""Points that may wait for a slow viewer; beyond, it catches up from the store."""


@dataclass(frozen=True)
class Told:
    """A page of a stream after a place, and where the next begins. It is `whole` where the place
    itself is still in the stream; else the recorder may have trimmed what came next."""

    batches: Sequence[Batch]
    place: str | None
    whole: bool


class Viewer:
    """One who watches some jobs, or the states of all. `missed` tells that the queue ran over."""

    def __init__(self, jobs: frozenset[str] | None, most: int) -> None:
        self.jobs, self.most = jobs, most
        self.missed = self.ended = False
        self._waiting: deque[News] = deque()
        self._size = 0
        self._woken = asyncio.Event()

    def offer(self, news: News) -> None:
        if self.missed:
            return
        self._size += len(news.items) if isinstance(news, Batch) else 1
        if self._size > self.most:
            self.miss()
        else:
            self._waiting.append(news)
            self._woken.set()

    def miss(self) -> None:
        """Drop what waits: the viewer has to catch up from the store."""
        self.missed = True
        self._clear()
        self._woken.set()

    def begin(self) -> None:
        """From here on nothing is missed."""
        self.missed = False
        self._clear()

    def _clear(self) -> None:
        self._waiting.clear()
        self._size = 0

    def end(self) -> None:
        self.ended = True
        self._woken.set()

    async def news(self, timeout: float) -> list[News]:
        """What came, at once if there is something; empty after the timeout."""
        if not self._waiting and not self.missed and not self.ended:
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), timeout)
        found = list(self._waiting)
        self._clear()
        return found


class Hub:
    """`async with hub` reads; `hub.watch` and `hub.leave` say for whom."""

    def __init__(self, url: str, most_waiting: int = MOST_WAITING) -> None:
        self.most_waiting = most_waiting
        self._url = url
        self._viewers: set[Viewer] = set()
        self._watched: Counter[str] = Counter()
        self._wake = f"normscope:wake:{uuid4().hex}"
        self._places: dict[str, str] = {}
        self._ended = False

    @property
    def clients(self) -> int:
        return len(self._viewers)

    async def __aenter__(self) -> Self:
        self._loop, self._heard = asyncio.get_running_loop(), time.monotonic()
        self.redis, self._reading = _client(self._url, 3), _client(self._url, 10)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._finish()
        while not self._task.done():  # a cancel that meets a connecting client can be swallowed
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.2)
        with suppress(RedisError):
            await self.redis.delete(self._wake)
        await self.redis.aclose()
        await self._reading.aclose()

    def end(self) -> None:
        """Let every stream end; may be called from a signal handler."""
        if hasattr(self, "_loop"):
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        self._ended = True
        for viewer in self._viewers:
            viewer.end()

    def join(self, jobs: Iterable[str] | None) -> Viewer:
        """A new viewer. It receives nothing of a job before `follow`, and leaves by `leave`."""
        viewer = Viewer(None if jobs is None else frozenset(jobs), self.most_waiting)
        viewer.ended = self._ended
        self._viewers.add(viewer)
        self._watched.update(viewer.jobs or ())
        return viewer

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)
        self._watched.subtract(viewer.jobs or ())
        for job in viewer.jobs or ():
            if self._watched[job] <= 0:
                del self._watched[job]
                self._places.pop(stream_key(job), None)

    async def follow(self, jobs: Iterable[str]) -> None:
        """From now on everything new of the jobs is read. Raises RedisError."""
        missing = [key for job in jobs if (key := stream_key(job)) not in self._places]
        for key in missing:
            self._places.setdefault(key, await self._newest(key))
        if missing:
            await self.redis.xadd(self._wake, {"": ""}, maxlen=1)
            await self.redis.expire(self._wake, 3600)

    async def _read(self) -> None:
        """Read to the end; while the broker is away, everybody has to catch up afterwards."""
        while not self._ended:
            try:
                await self._turn()
            except RedisError as error:
                log.warning("the broker is away: %s", type(error).__name__)
                for viewer in self._viewers:
                    viewer.miss()
                await asyncio.sleep(AGAIN_S)

    async def _turn(self) -> None:
        if STATES not in self._places:
            self._places[STATES] = await self.newest_state()
        asked: Any = {self._wake: "0-0", **self._places}
        found: Any = await self._reading.xread(asked, count=MOST_ENTRIES, block=BLOCK_MS)
        self._hear()
        reply = dict(found)
        states = reply.pop(STATES, [])
        for key, entries in reply.items():
            self._move(key, entries)
            self._share(batches(entries))
            await asyncio.sleep(0)  # whoever asks the API something need not wait for all streams
        self._move(STATES, states)  # last: a state speaks of what was told before
        for state in (state_of(entry) for entry in states):
            self._announce(state)

    def _hear(self) -> None:
        """After a standstill what is recorded may be trimmed, and everybody has to catch up."""
        before, self._heard = self._heard, time.monotonic()
        if self._heard - before > STANDSTILL_S:
            for viewer in self._viewers:
                viewer.miss()

    def _move(self, key: str, entries: Sequence[tuple[str, Any]]) -> None:
        if entries and (key in self._places or key == self._wake):
            self._places[key] = entries[-1][0]

    def _share(self, found: Iterable[Batch]) -> None:
        for batch in found:
            for viewer in self._viewers:
                if viewer.jobs is not None and batch.job in viewer.jobs:
                    viewer.offer(batch)

    def _announce(self, state: State | None) -> None:
        for viewer in self._viewers:
            if state is not None and (viewer.jobs is None or state.job in viewer.jobs):
                viewer.offer(state)

    async def told_after(self, job: str, place: str) -> Told:
        """A page of what the job's stream has after a place."""
        entries: Any = await self.redis.xrange(stream_key(job), place, count=MOST_ENTRIES)
        whole = bool(entries) and entries[0][0] == place
        new = entries[1:] if whole else entries
        return Told(batches(new), new[-1][0] if new else None, whole)

    async def newest_state(self) -> str:
        return await self._newest(STATES)

    async def _newest(self, key: str) -> str:
        entries: Any = await self.redis.xrevrange(key, count=1)
        return str(entries[0][0]) if entries else "0-0"

    async def states_after(self, place: str) -> list[State]:
        """The states that were told after a place."""
        entries: Any = await self.redis.xrange(STATES, f"({place}")
        return [state for entry in entries if (state := state_of(entry)) is not None]


def _client(url: str, timeout: float) -> Redis:
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=timeout,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 1),
    )
