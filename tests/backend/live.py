"""The API as a real server in this process, and a reader of its event streams."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn

from backend.api import Server
from backend.app import create_app
from backend.queue import Queue
from backend.store.engine import Store
from tests.backend.parts import AUTH, TOKEN, catalogue
from worker.contract.events import AnyEvent, to_json
from worker.contract.settings import Settings
from worker.contract.wire import stream_key


@dataclass
class Message:
    event: str
    id: str
    data: Any
    at: float


@contextmanager
def serving(settings: Settings, store: Store, queue: Queue, most_waiting: int = 0) -> Iterator[str]:
    """The address of a running API; it stops as it would on a signal."""
    app = create_app(settings, store, queue, catalogue(), TOKEN)
    if most_waiting:
        app.app.state.hub.most_waiting = most_waiting  # type: ignore[attr-defined]
    server = Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/v1"
        finally:
            server.handle_exit(2, None)
            thread.join(5)
        assert not thread.is_alive(), "the API does not stop"


@contextmanager
def watching(url: str, query: str = "", **headers: str) -> Iterator[Iterator[Message]]:
    """The messages of an event stream."""
    timeout = httpx.Timeout(10)
    with httpx.stream(
        "GET", f"{url}/events{query}", headers={**AUTH, **headers}, timeout=timeout
    ) as answer:
        assert answer.status_code == 200, answer.read()
        yield messages(answer)


def messages(answer: httpx.Response) -> Iterator[Message]:
    event = id = ""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "id":
            id = value
        elif name == "data":
            yield Message(event, id, json.loads(value), time.time())


def points(found: Iterator[Message], last: int) -> tuple[list[int], str]:
    """The sequence numbers of measurements, up to one, and the id of the last message."""
    seen: list[int] = []
    for message in found:
        if message.event == "measured":
            seen += [item["seq"] for item in message.data["items"]]
            if seen[-1] >= last:
                return seen, message.id
    raise AssertionError(f"the stream ended after {seen[-5:]}")


def put(queue: Queue, job: str, *events: AnyEvent) -> None:
    """Tell events as a worker's sink does: one entry of the job's stream."""
    fields: Any = {"events": json.dumps([to_json(event) for event in events])}
    queue.redis.xadd(stream_key(job), fields)
