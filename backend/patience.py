"""How long a client may take over its request: one that dawdles holds nothing up for long."""

from __future__ import annotations

import asyncio

import h11
from starlette.types import Message, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

from backend.errors import Problem

HEAD_S = 10.0
BODY_S = 30.0


class Impatient(H11Protocol):
    """Closes a connection whose request's head does not come: uvicorn would wait for ever."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(True)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect(self.conn.their_state is h11.IDLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(False)
        super().connection_lost(exc)

    def _expect(self, head: bool) -> None:
        """Run the clock while a head is awaited: from its first byte, not from its last."""
        if head and self._late is None:
            self._late = self.loop.call_later(HEAD_S, self.transport.close)
        elif not head and self._late is not None:
            self._late.cancel()
            self._late = None


def timely(receive: Receive, seconds: float) -> Receive:
    """Raises Problem 408 where the body takes longer."""
    until = asyncio.get_running_loop().time() + seconds
    whole = False

    async def receiving() -> Message:
        nonlocal whole
        if whole:
            return await receive()
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise Problem(408, f"The body took longer than {seconds:.0f} s.") from None
        whole = not message.get("more_body", False)
        return message

    return receiving
