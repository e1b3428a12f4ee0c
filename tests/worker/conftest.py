from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.broker import Broker
from tests.broker import broker as broker
from tests.worker.desk import Desk, running_worker
from worker.broker import connect


@pytest.fixture(scope="session")
def desk(broker: Broker) -> Iterator[Desk]:
    """One worker for all tests of a process; it starts a new child where a test ends one."""
    with running_worker(broker) as desk:
        yield desk


@pytest.fixture
def client(broker: Broker) -> Iterator[redis.Redis]:
    """As a worker connects."""
    with connect(broker.url) as client:
        yield client


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    return tmp_path / "attempt" / "waiting.jsonl"
