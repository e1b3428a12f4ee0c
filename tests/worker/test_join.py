"""A worker elsewhere reaches the broker by TLS under the certificate of `make join`, or not at all.

The embedded broker knows no TLS: a proxy in front of it speaks it in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.broker import ROOT, Broker, running_broker
from tests.worker.desk import running_worker, start, stop

ADDRESS = "127.0.0.1"


@dataclass
class Behind(Broker):
    """A broker as it is reached from elsewhere, by those who know its certificate."""

    certificate: Path = Path()

    @property
    def url(self) -> str:
        return self._url(":broker-password@")

    @property
    def env(self) -> dict[str, str]:
        """Its password comes apart, as from a container's secret."""
        return {**super().env, "NORMSCOPE_REDIS_URL": self._url("")}

    def _url(self, who: str) -> str:
        how = f"ssl_cert_reqs=required&ssl_ca_certs={self.certificate}"
        return f"rediss://{who}{ADDRESS}:{self.port}/0?{how}"


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("secrets"))


def made(folder: Path) -> Path:
    command = ["make", "join", f"ADDRESS={ADDRESS}", f"SECRETS={folder}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@contextmanager
def behind(broker: Broker, secrets: Path) -> Iterator[Behind]:
    """The broker behind a port that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(secrets / "redis_certificate", secrets / "redis_key")
    found, proxy = Behind(broker.data_dir), Proxy(broker.port)
    found.certificate = secrets / "redis_certificate"
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(found.port, context)))
    thread.start()
    assert proxy.ready.wait(30)
    try:
        yield found
    finally:
        proxy.loop.call_soon_threadsafe(proxy.over.set)
        thread.join()


class Proxy:
    """Carries what comes by TLS to a port of this machine, and back."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.ready = threading.Event()

    async def serve(self, port: int, context: ssl.SSLContext) -> None:
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._meet, ADDRESS, port, ssl=context)
        async with server:
            self.ready.set()
            await self.over.wait()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection(ADDRESS, self.port)
        ways = [asyncio.create_task(_carry(*way)) for way in ((reader, outer), (inner, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (writer, outer):
                one.transport.abort()
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()


def test_a_worker_that_knows_the_certificate_does_jobs(tmp_path: Path, secrets: Path) -> None:
    with (
        running_broker(tmp_path) as broker,
        behind(broker, secrets) as joined,
        running_worker(joined) as desk,
    ):
        told = desk.finish(desk.send())
    assert told[-1]["type"] == "finished"


def test_a_worker_that_knows_another_certificate_takes_no_jobs(
    tmp_path: Path, secrets: Path
) -> None:
    with running_broker(tmp_path / "data") as broker, behind(broker, secrets) as joined:
        joined.certificate = made(tmp_path) / "redis_certificate"
        desk = start(joined)
        try:
            assert desk.process.stdout is not None
            line = desk.process.stdout.readline().decode()
        finally:
            stop(desk)
    assert line.startswith("worker: waiting for the broker")
    assert "certificate verify failed" in line
