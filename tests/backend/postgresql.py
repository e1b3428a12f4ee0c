"""A real PostgreSQL server that a test may stop and start again."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from tests.broker import free_port


@dataclass
class Postgresql:
    """A server with its data under `folder`."""

    bin: Path
    folder: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://normscope@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self._open()
        data = self.folder / "data"
        data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(data, server_user())
        command = [self.bin / "initdb", "-D", data, "-U", "normscope", "-A", "trust", "-N"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **as_user())

    def _open(self) -> None:
        """The server's user must reach the folder through private ones."""
        for above in (self.folder, *self.folder.parents):
            if above.owner() == "root" and not above.stat().st_mode & 0o011 and os.geteuid() == 0:
                above.chmod(above.stat().st_mode | 0o011)

    def start(self) -> None:
        self._open()
        data = self.folder / "data"
        options = ["-c", "fsync=off", "-c", f"unix_socket_directories={data}", "-h", "127.0.0.1"]
        command = [self.bin / "postgres", "-D", data, "-p", str(self.port), *options]
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log, **as_user())
        self._wait()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT ends the sessions and then the server; SIGQUIT is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20)
            self.process = None

    def _wait(self) -> None:
        engine = create_engine(self.url.replace("postgresql:", "postgresql+psycopg:"))
        deadline = time.monotonic() + 20
        while True:
            try:
                with engine.connect() as connection:
                    connection.execute(text("SELECT 1"))
                engine.dispose()
                return
            except OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.1)


@contextmanager
def postgresql_server() -> Iterator[Postgresql]:
    """A running server of its own; skips where none is installed.

    Not in pytest's folder: whoever starts another pytest shuts that to the server's user.
    """
    bin = find_postgresql()
    if bin is None:
        pytest.skip("no PostgreSQL server is installed")
    with tempfile.TemporaryDirectory() as folder:
        server = Postgresql(bin, Path(folder))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def find_postgresql() -> Path | None:
    places = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def as_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": server_user()} if os.geteuid() == 0 else {}


def server_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
