"""The recorder's health check, as its container runs it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store
from tests.broker import ROOT, Broker
from worker.contract.wire import RECORDER_S, recorder_key


def healthy(broker: Broker) -> bool:
    env = {**os.environ, **broker.env}
    return (
        subprocess.run([sys.executable, "-m", "backend.alive"], cwd=ROOT, env=env).returncode == 0
    )


def test_a_recorder_is_healthy_while_it_gets_through_its_rounds(
    store: Store, queue: Queue, broker: Broker
) -> None:
    queue.show_recorder("another-host-1")
    assert not healthy(broker)
    recorder = Recorder(store, queue)
    recorder.turn(1)
    assert healthy(broker)
    assert 0 < queue.redis.ttl(recorder_key(recorder.name)) <= RECORDER_S
    queue.redis.delete(recorder_key(recorder.name))
    assert not healthy(broker)


def test_without_a_broker_nobody_is_healthy(store: Store) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        env = {**os.environ, "NORMSCOPE_REDIS_URL": f"redis://127.0.0.1:{closed.getsockname()[1]}"}
        command = [sys.executable, "-m", "backend.alive"]
        found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (found.returncode, found.stderr) == (1, "")
