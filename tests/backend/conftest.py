"""Real databases, a real broker, and the application on them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from starlette.testclient import TestClient

from backend.app import create_app
from backend.auth import Gate
from backend.queue import Queue
from backend.store.engine import Store, open_store
from tests.backend.parts import TOKEN, calling, catalogue
from tests.backend.postgresql import Postgresql, postgresql_server
from tests.broker import Broker
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


@pytest.fixture
def gate(settings: Settings, store: Store, queue: Queue) -> Gate:
    """The application behind the layer that lets in."""
    found = create_app(settings, store, queue, catalogue(), TOKEN)
    assert isinstance(found, Gate)
    return found


@pytest.fixture
def stranger(gate: Gate) -> Iterator[TestClient]:
    """A caller without a token."""
    with TestClient(gate, base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A real PostgreSQL; skips where no server is installed. A test that stops it starts it."""
    with postgresql_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store in either database."""
    if request.param == "sqlite":
        store = open_store(Settings(data_dir=tmp_path))
        yield store
        store.close()
        return
    with database(request.getfixturevalue("postgresql")) as url:
        store = open_store(Settings(data_dir=tmp_path, database_url=url))
        yield store
        store.close()


@contextmanager
def database(server: Postgresql) -> Iterator[str]:
    """The address of an empty database, dropped on the way out."""
    name = f"t{time.time_ns()}"
    address = server.url.replace("postgresql:", "postgresql+psycopg:")
    with in_it(address) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield server.url.replace("/postgres", f"/{name}")
    with in_it(address) as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@contextmanager
def in_it(address: str) -> Iterator[Connection]:
    engine = create_engine(address, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()
