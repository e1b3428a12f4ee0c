"""Notes who changed what, and who was not allowed to, once it is answered."""

from __future__ import annotations

import logging
import re

from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.access import Visitor
from backend.store import audit
from backend.store.engine import Store

log = logging.getLogger(__name__)

READS = frozenset({"GET", "HEAD", "OPTIONS"})
ASKS = re.compile(r"/api/v1/(estimate|sweeps/estimate|jobs/[^/]+/probes)")
"""What is posted only to be answered: it changes nothing."""
MADE = re.compile(r"/api/v1/(?:jobs|sweeps)/([A-Za-z0-9_-]{1,32})(?:/\w+)?")
MOST_LETTERS = 200


class Audit:
    """Follows a request to its answer and writes it down."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def follow(
        self, app: ASGIApp, visitor: Visitor, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["method"] in READS or ASKS.fullmatch(scope["path"]):
            await app(scope, receive, send)
            return
        outcome, place = 500, ""

        async def sending(message: Message) -> None:
            nonlocal outcome, place
            if message["type"] == "http.response.start":
                outcome = message["status"]
                place = Headers(raw=message["headers"]).get("location", "")
            await send(message)

        try:
            await app(scope, receive, sending)
        finally:
            what = f"{scope['method']} {scope['path'][:MOST_LETTERS]}"
            job = MADE.fullmatch(place or scope["path"])
            about = job[1] if job else None
            deed = audit.Deed(visitor.name, str(visitor.role), what, about, outcome)
            await run_sync(self._note, deed)

    def _note(self, deed: audit.Deed) -> None:
        try:
            with self._store.write() as connection:
                audit.note(connection, deed)
        except SQLAlchemyError as error:
            log.warning("not in the audit log (%s): %s", type(error).__name__, deed)
