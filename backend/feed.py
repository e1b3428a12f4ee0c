"""What one viewer is sent: first what it has not seen, from the store and the rest of the
stream, then what comes. Everything carries a cursor, so nothing is lost and nothing is repeated.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

import orjson
from anyio.to_thread import run_sync
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from backend.cursor import Cursor, format_many
from backend.documents import job_document
from backend.hub import Hub, Viewer
from backend.news import Batch, News, State
from backend.store import after, jobs
from backend.store.engine import Store
from backend.store.measurements import Item
from worker.contract import traces

T = TypeVar("T")

KEEP_ALIVE_S = 15.0
AGAIN_S = 0.5
STATES_ID = "states:"
SOON_S = 60.0
"""One who is sent the first points of a job later than this looks at what is past."""


def message(event: str, id: str, data: bytes) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (event.encode(), id.encode(), data)


class Feed(ABC):
    """One viewer's messages: `missed` catches up, `sent` says what of the news is new here."""

    def __init__(self, hub: Hub, jobs: Iterable[str] | None) -> None:
        self.hub, self.jobs = hub, jobs

    async def messages(self) -> AsyncIterator[bytes]:
        viewer = self.hub.join(self.jobs)
        try:
            yield b"retry: 1000\n\n"
            viewer.missed = True
            while not viewer.ended:
                coming = self._catch_up(viewer) if viewer.missed else self._news(viewer)
                async for sent in coming:
                    yield sent
        finally:
            self.hub.leave(viewer)

    async def _news(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """What comes, or a word that nothing did."""
        news = await viewer.news(KEEP_ALIVE_S)
        for one in news:
            if (sent := self.sent(one)) is not None:
                yield sent
        if not news and not viewer.missed:
            yield b": here\n\n"

    async def _catch_up(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """From where the viewer is to now; begun again while something is away."""
        viewer.begin()
        try:
            async for sent in self.missed():
                yield sent
        except (RedisError, SQLAlchemyError) as error:
            what = "broker" if isinstance(error, RedisError) else "database"
            yield f": the {what} is away\n\n".encode()
            viewer.miss()
            await asyncio.sleep(AGAIN_S)

    @abstractmethod
    def missed(self) -> AsyncIterator[bytes]: ...

    @abstractmethod
    def sent(self, news: News) -> bytes | None: ...


class Trimmed(Exception):
    """Meanwhile the recorder has recorded and dropped what a viewer would have read next."""


class JobFeed(Feed):
    """The measurements and states of some jobs, from where a viewer is."""

    def __init__(self, hub: Hub, store: Store, cursors: dict[str, Cursor]) -> None:
        super().__init__(hub, cursors)
        self.store, self.cursors = store, cursors

    async def missed(self) -> AsyncIterator[bytes]:
        await self.hub.follow(self.cursors)
        for job in self.cursors:
            async for sent in self._history(job):
                yield sent

    async def _history(self, job: str) -> AsyncIterator[bytes]:
        """What was told, then the state as it was before."""
        while (row := await self._row(job)) is not None:
            try:
                async for batch in self._told(job, row):
                    if (sent := self.sent(batch)) is not None:
                        yield sent
            except Trimmed:
                continue
            yield message("state", self._id(), orjson.dumps(job_document(row)))
            return

    async def _told(self, job: str, row: jobs.Row) -> AsyncIterator[Batch]:
        """What is recorded, then what only the stream has. Raises Trimmed."""
        async for items in self._recorded(job):
            trace = _trace(row, items) if self.cursors[job] == Cursor() else None
            for batch in _of_attempts(job, items, trace):
                yield batch
        place: str | None = row["stream_id"]
        while place is not None:
            told = await self.hub.told_after(job, place)
            if not told.whole and (await self._row(job) or row)["stream_id"] != row["stream_id"]:
                raise Trimmed
            for batch in told.batches:
                yield batch
            place = told.place

    async def _row(self, job: str) -> jobs.Row | None:
        return await run_sync(self._read, lambda c: jobs.get(c, job))

    async def _recorded(self, job: str) -> AsyncIterator[list[Item]]:
        at: Cursor | None = self.cursors[job]
        while at is not None:
            here = at
            items, at = await run_sync(self._read, lambda c, here=here: after.page(c, job, here))
            if items:
                yield items

    def _read(self, ask: Callable[..., T]) -> T:
        with self.store.read() as connection:
            return ask(connection)

    def sent(self, news: News) -> bytes | None:
        if isinstance(news, State):
            return message("state", self._id(), news.data)
        new = news.beyond(self.cursors[news.job])
        if new is None:
            return None
        with traces.follow(new.trace, "send", job=new.job, attempt=new.attempt):
            self.cursors[news.job] = new.last
            return message("measured", self._id(), new.data)

    def _id(self) -> str:
        return format_many(self.cursors)


def _of_attempts(job: str, items: list[Item], trace: str | None) -> list[Batch]:
    attempts = sorted({item["attempt"] for item in items})
    return [Batch(job, one, [i for i in items if i["attempt"] == one], trace) for one in attempts]


def _trace(row: jobs.Row, items: list[Item]) -> str | None:
    """Of a job whose first points a viewer is sent soon after they were measured."""
    trace: str | None = row["trace"]
    return trace if time.time() - items[0]["time"] < SOON_S else None


class StateFeed(Feed):
    """The states of all jobs, from a place in their stream, or from now."""

    def __init__(self, hub: Hub, place: str | None) -> None:
        super().__init__(hub, None)
        self.place = place

    async def missed(self) -> AsyncIterator[bytes]:
        self.place = self.place or await self.hub.newest_state()
        for state in await self.hub.states_after(self.place):
            if (sent := self.sent(state)) is not None:
                yield sent

    def sent(self, news: News) -> bytes | None:
        assert isinstance(news, State)
        if self.place is not None and _order(news.id) <= _order(self.place):
            return None
        self.place = news.id
        return message("state", STATES_ID + news.id, news.data)


def _order(id: str) -> tuple[int, int]:
    first, _, second = id.partition("-")
    return int(first), int(second)
