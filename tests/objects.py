"""A real S3 server on loopback: `from tests.objects import objects as objects`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto.server import ThreadedMotoServer

from worker.contract.bucket import Bucket

_numbers = itertools.count(1)
KEYS = {"AWS_ACCESS_KEY_ID": "a-key", "AWS_SECRET_ACCESS_KEY": "a-secret"}


@dataclass(frozen=True)
class Objects:
    """One bucket of the server, and what a process needs to find it."""

    endpoint: str
    url: str

    @property
    def bucket(self) -> Bucket:
        return Bucket(self.url, self.endpoint)

    @property
    def env(self) -> dict[str, str]:
        return {
            "NORMSCOPE_ARTIFACTS_URL": self.url,
            "NORMSCOPE_ARTIFACTS_ENDPOINT": self.endpoint,
            **KEYS,
        }


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def objects(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Objects:
    """An empty bucket; its keys are in the environment."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{next(_numbers)}"
    found = Objects(endpoint, f"s3://{name}/some/where")
    found.bucket._system.mkdir(name)
    return found
