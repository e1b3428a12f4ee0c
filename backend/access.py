"""Who a token is, and what its role may do.

A token is 256 random bits behind its name, so one round of SHA-256 keeps it: a slow hash guards
what people choose, and nobody guesses this. The name finds the row, and is no secret; the hashes
are compared in constant time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message, Receive, Send

from backend.store import tokens
from backend.store.engine import Store

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
OWN_NAME = "installation"
BELIEVED_S = 2.0
"""How long a token that was good is believed; a revoked one is out within it."""
MOST_BELIEVED = 1000


class Role(IntEnum):
    """Each may do what those before it may."""

    READ = 1
    SUBMIT = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


NEEDED = {
    **dict.fromkeys(("GET", "HEAD", "OPTIONS"), Role.READ),
    **dict.fromkeys(("POST", "PATCH"), Role.SUBMIT),
}
"""The role that a method asks for at least; every other one asks for an admin's."""
DOES = {Role.READ: "read", Role.SUBMIT: "read and submit", Role.ADMIN: "do everything"}


@dataclass(frozen=True)
class Visitor:
    """Whoever sent a token."""

    name: str
    role: Role


OWNER = Visitor(OWN_NAME, Role.ADMIN)


def made(name: str) -> str:
    """A new token for this name."""
    return f"{name}.{secrets.token_urlsafe(32)}"


def digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Door:
    """Knows the installation's own token, and those that were made beside it."""

    def __init__(self, own: str, store: Store) -> None:
        self._own, self._store = digest(own), store
        self._believed: dict[str, tuple[float, Visitor]] = {}

    async def who(self, token: str | None) -> Visitor | None:
        """The token's visitor, None where it opens nothing. May raise SQLAlchemyError."""
        key = digest(token or "")
        if secrets.compare_digest(key, self._own):
            return OWNER
        name = (token or "").partition(".")[0]
        if not NAME.fullmatch(name):
            return None
        at, known = self._believed.get(key, (0.0, None))
        if known and time.monotonic() - at < BELIEVED_S:
            return known
        known = await run_sync(self._asked, name, key)
        self._believe(key, known)
        return known

    def _asked(self, name: str, key: str) -> Visitor | None:
        with self._store.read() as connection:
            row = tokens.get(connection, name)
        if row is None or row["revoked_at"] is not None:
            return None
        if not secrets.compare_digest(key, row["digest"]):
            return None
        return Visitor(name, Role[row["role"].upper()])

    def _believe(self, key: str, visitor: Visitor | None) -> None:
        if visitor is None:
            self._believed.pop(key, None)
            return
        if len(self._believed) >= MOST_BELIEVED:
            self._believed.clear()
        self._believed[key] = time.monotonic(), visitor

    async def still(self, token: str | None, visitor: Visitor) -> bool:
        """Whether the token is still the visitor's; true while nobody can say."""
        try:
            return await self.who(token) == visitor
        except SQLAlchemyError:
            return True


class Watch:
    """Ends an answer that goes on and on, such as an event stream, once its token is revoked.

    The application is told that the visitor left; the end of the answer is sent for it.
    """

    def __init__(self, still: Callable[[], Awaitable[bool]], receive: Receive, send: Send) -> None:
        self._still, self._receive, self._send = still, receive, send
        self._gone, self._open = False, False

    async def receive(self) -> Message:
        coming = asyncio.ensure_future(self._receive())
        try:
            while not (await asyncio.wait({coming}, timeout=BELIEVED_S))[0]:
                if not await self._still():
                    self._gone = True
                    return {"type": "http.disconnect"}
            return coming.result()
        finally:
            coming.cancel()

    async def send(self, message: Message) -> None:
        start = message["type"] == "http.response.start"
        self._open = start or bool(message.get("more_body"))
        await self._send(message)

    async def end(self) -> None:
        if self._gone and self._open:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
