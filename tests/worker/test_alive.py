"""The health check of a worker's container: a card of its host, or none."""

from __future__ import annotations

import socket

import pytest
import redis

from tests.broker import Broker
from worker import alive
from worker.contract import wire


@pytest.mark.parametrize(("who", "key"), [("worker", wire.worker_key), ("desk", wire.desk_key)])
def test_a_host_is_healthy_while_it_shows_a_card(
    broker: Broker, client: redis.Redis, monkeypatch: pytest.MonkeyPatch, who: str, key: object
) -> None:
    monkeypatch.setenv("NORMSCOPE_REDIS_URL", broker.url)
    monkeypatch.setattr(socket, "gethostname", lambda: "a-container")
    assert callable(key)
    client.set(key("another-container-1"), "1", ex=30)
    assert alive.main(who) == 1
    client.set(key("a-container-7"), "1", ex=30)
    assert alive.main(who) == 0
    client.delete(key("a-container-7"), key("another-container-1"))
    assert alive.main(who) == 1


def test_without_a_broker_nobody_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("NORMSCOPE_REDIS_URL", url)
        assert alive.main("worker") == 1
