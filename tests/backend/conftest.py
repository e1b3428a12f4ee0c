"""Real databases, a real broker, and the application on them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.store.engine import Store, open_store
from tests.backend.parts import calling
from tests.broker import Broker, free_port
from tests.broker import broker as broker
from worker.contract.settings import Settings


@pytest.fixture(autouse=True)
def _empty(request: pytest.FixtureRequest) -> None:
    """A test that uses the shared broker begins with an empty one."""
    if "broker" in request.fixturenames:
        with request.getfixturevalue("broker").client() as client:
            client.flushall()


@pytest.fixture
def settings(tmp_path: Path, broker: Broker) -> Settings:
    return Settings(data_dir=tmp_path, redis_url=broker.url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def queue(broker: Broker) -> Iterator[Queue]:
    queue = Queue(broker.url)
    yield queue
    queue.close()


@pytest.fixture
def client(settings: Settings, store: Store, queue: Queue) -> Iterator[TestClient]:
    """A caller with the right token."""
    with calling(settings, store, queue) as client:
        yield client


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL; skips where no server is installed."""
    bin = find_postgresql()
    if bin is None:
        pytest.skip("no PostgreSQL server is installed")
    folder, port, user = tmp_path_factory.mktemp("postgresql"), free_port(), server_user()
    # The server's user must reach the folder through pytest's private ones.
    for above in (folder, *folder.parents):
        if above.owner() == "root" and not above.stat().st_mode & 0o011 and os.geteuid() == 0:
            above.chmod(above.stat().st_mode | 0o011)
    data = folder / "data"
    data.mkdir()
    if os.geteuid() == 0:
        shutil.chown(data, user)
    as_user = {"user": user} if os.geteuid() == 0 else {}
    command = [bin / "initdb", "-D", data, "-U", "normscope", "-A", "trust", "-N"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **as_user)  # type: ignore[call-overload]
    options = ["-c", "fsync=off", "-c", f"unix_socket_directories={data}", "-h", "127.0.0.1"]
    with (folder / "log").open("w") as log:
        command = [bin / "postgres", "-D", data, "-p", str(port), *options]
        server = subprocess.Popen(command, stderr=log, stdout=log, **as_user)  # type: ignore[call-overload]
        try:
            url = f"postgresql://normscope@127.0.0.1:{port}/postgres"
            _wait(url)
            yield url
        finally:
            server.terminate()
            server.wait(20)


def find_postgresql() -> Path | None:
    places = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


def server_user() -> str:
    """PostgreSQL refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _wait(url: str) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
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


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store in either database."""
    if request.param == "sqlite":
        store = open_store(Settings(data_dir=tmp_path))
        yield store
        store.close()
        return
    server = request.getfixturevalue("postgresql")
    name = f"t{time.time_ns()}"
    admin = create_engine(
        server.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    url = server.replace("/postgres", f"/{name}")
    store = open_store(Settings(data_dir=tmp_path, database_url=url))
    yield store
    store.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    admin.dispose()
