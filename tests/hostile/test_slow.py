"""Clients that dawdle over their requests hold nobody up, and are shown out."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from frontend.api import IDLE_S, client
from tests.e2e.explorer import Explorer
from tests.hostile.test_requests import SERVERS, address, head

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("hostile")]

MANY = 150
PATIENCE_S = 120


@contextmanager
def lines(url: str, count: int) -> Iterator[list[socket.socket]]:
    """Open connections."""
    parts = urlsplit(url)
    with ExitStack() as stack:
        found = [
            stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 80)))
            for _ in range(count)
        ]
        for one in found:
            one.settimeout(PATIENCE_S)
        yield found


def shown_out(line: socket.socket) -> bytes:
    """What is left to read of a connection until the other side ends it."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := line.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("server", SERVERS)
def test_heads_that_never_end(explorer: Explorer, server: str) -> None:
    url = address(explorer, server)
    with lines(url, MANY) as many:
        for line in many[1:]:
            line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-")
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        until = time.monotonic() + 6
        while time.monotonic() < until:  # a byte now and then buys no time
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                many[1].sendall(b"a")
            time.sleep(0.5)
        assert [shown_out(line) for line in many] == [b""] * MANY
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS)
def test_a_body_that_never_ends(explorer: Explorer, server: str) -> None:
    url = address(explorer, server)
    kind = ("Content-Type: application/json", "Content-Length: 1000")
    with lines(url, 5) as some:
        for line in some:
            line.sendall(head(explorer, "POST", "/api/v1/jobs", *kind) + b'{"kind":')
        assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
        for line in some:
            assert shown_out(line).startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
def test_a_login_form_that_never_ends(explorer: Explorer) -> None:
    form = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\ntoken="
    with lines(explorer.url, 1) as (line,):
        line.sendall(form)
        assert shown_out(line).startswith(b"HTTP/1.1 408 ")


def test_no_request_meets_a_connection_that_is_being_closed(explorer: Explorer) -> None:
    """Asked again just when the front end's patience with an unused connection ends."""

    async def twice(pause: float) -> int:
        async with client(address(explorer, "api")) as http:
            await http.get("/healthz")
            await asyncio.sleep(pause)
            return (await http.get("/healthz")).status_code

    async def many() -> list[int]:
        pauses = [IDLE_S * (1 + (at - MANY) / (50 * MANY)) for at in range(2 * MANY)]
        return await asyncio.gather(*[twice(pause) for pause in pauses])

    assert asyncio.run(many()) == [200] * (2 * MANY)
