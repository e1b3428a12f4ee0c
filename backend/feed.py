"""What one viewer is sent: first what it has not seen, from the store and the rest of the
stream, then what comes. Everything carries a cursor, so nothing is lost and nothing is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import orjson
from anyio.to_thread import run_sync
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from backend.cursor import Cursor, format_many
from backend.documents import job_document
from backend.hub import Batch, Hub, State, Viewer
from backend.store import jobs, measurements
from backend.store.engine import Store

T = TypeVar("T")

KEEP_ALIVE_S = 15.0
AGAIN_S = 0.5
STATES_ID = "states:"


def message(event: str, id: str, data: bytes) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (event.encode(), id.encode(), data)


class Feed:
    """The measurements and states of some jobs, from where a viewer is."""

    def __init__(self, hub: Hub, store: Store, cursors: dict[str, Cursor]) -> None:
        self.hub, self.store, self.cursors = hub, store, cursors

    async def messages(self) -> AsyncIterator[bytes]:
        viewer = self.hub.join(self.cursors)
        try:
            yield b"retry: 1000\n\n"
            viewer.missed = True
            while not viewer.ended:
                if viewer.missed:
                    async for sent in self._catch_up(viewer):
                        yield sent
                    continue
                news = await viewer.news(KEEP_ALIVE_S)
                for one in news:
                    if (new := self._sent(one)) is not None:
                        yield new
                if not news and not viewer.missed:
                    yield b": here\n\n"
        finally:
            self.hub.leave(viewer)

    async def _catch_up(self, viewer: Viewer) -> AsyncIterator[bytes]:
        """From the cursors to now; begun again while something is away."""
        viewer.begin()
        try:
            await self.hub.follow(self.cursors)
            for job in self.cursors:
                async for sent in self._history(job):
                    yield sent
        except (RedisError, SQLAlchemyError) as error:
            what = "broker" if isinstance(error, RedisError) else "database"
            yield f": the {what} is away\n\n".encode()
            viewer.miss()
            await asyncio.sleep(AGAIN_S)

    async def _history(self, job: str) -> AsyncIterator[bytes]:
        """What is recorded, then what only the stream has, then the state as it was before."""
        row = await run_sync(self._read, lambda c: jobs.get(c, job))
        if row is None:
            return
        place: str | None = row["stream_id"]
        async for items in self._recorded(job):
            for batch in _of_attempts(job, items):
                if (sent := self._sent(batch)) is not None:
                    yield sent
        while place is not None:
            page = await self.hub.told_after(job, place)
            place = page[0][0] if page else None
            for batch in page[0][1] if page else ():
                if (sent := self._sent(batch)) is not None:
                    yield sent
        yield message("state", self._id(), orjson.dumps(job_document(row)))

    async def _recorded(self, job: str) -> AsyncIterator[list[measurements.Item]]:
        at: Cursor | None = self.cursors[job]
        while at is not None:
            here = at
            items, at = await run_sync(
                self._read, lambda c, here=here: measurements.after(c, job, here)
            )
            if items:
                yield items

    def _read(self, ask: Callable[..., T]) -> T:
        with self.store.read() as connection:
            return ask(connection)

    def _sent(self, news: Batch | State) -> bytes | None:
        if isinstance(news, State):
            return message("state", self._id(), news.data)
        new = news.beyond(self.cursors[news.job])
        if new is None:
            return None
        self.cursors[news.job] = new.last
        return message("measured", self._id(), new.data)

    def _id(self) -> str:
        return format_many(self.cursors)


def _of_attempts(job: str, items: list[measurements.Item]) -> list[Batch]:
    attempts = sorted({item["attempt"] for item in items})
    return [Batch(job, one, [i for i in items if i["attempt"] == one]) for one in attempts]


class StateFeed:
    """The states of all jobs, from a place in their stream, or from now."""

    def __init__(self, hub: Hub, place: str | None) -> None:
        self.hub, self.place = hub, place

    async def messages(self) -> AsyncIterator[bytes]:
        viewer = self.hub.join(None)
        try:
            yield b"retry: 1000\n\n"
            viewer.missed = True
            while not viewer.ended:
                if viewer.missed:
                    for sent in await self._catch_up(viewer):
                        yield sent
                    continue
                for one in (news := await viewer.news(KEEP_ALIVE_S)):
                    assert isinstance(one, State)
                    if (new := self._sent(one)) is not None:
                        yield new
                if not news and not viewer.missed:
                    yield b": here\n\n"
        finally:
            self.hub.leave(viewer)

    async def _catch_up(self, viewer: Viewer) -> list[bytes]:
        viewer.begin()
        try:
            self.place = self.place or await self.hub.newest_state()
            states = await self.hub.states_after(self.place)
        except RedisError:
            viewer.miss()
            await asyncio.sleep(AGAIN_S)
            return [b": the broker is away\n\n"]
        return [sent for state in states if (sent := self._sent(state)) is not None]

    def _sent(self, state: State) -> bytes | None:
        if self.place is not None and _order(state.id) <= _order(self.place):
            return None
        self.place = state.id
        return message("state", STATES_ID + state.id, state.data)


def _order(id: str) -> tuple[int, int]:
    first, _, second = id.partition("-")
    return int(first), int(second)
