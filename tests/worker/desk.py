"""A real Celery worker process, and the hand that sends it jobs and reads what it tells."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import psutil
import redis
from celery import Celery

from tests.broker import ROOT, Broker
from worker.contract import wire

T = TypeVar("T")
LONG = 100_000
"""Epochs of a job that a test ends."""

_numbers = itertools.count(1)


@dataclass
class Desk:
    """Sends jobs to the worker of one broker."""

    client: redis.Redis
    app: Celery
    process: subprocess.Popen[bytes]
    task_ids: dict[str, str] = field(default_factory=dict)

    def send(self, epochs: int = 1, **spec: Any) -> str:
        """Queue a small training job; its id. An epoch is 23 steps and takes about 15 ms."""
        job = f"job{next(_numbers)}"
        spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": epochs, **spec}
        ticket = wire.Ticket(job=job, kind="train", attempt=1, spec=spec)
        self.client.set(wire.ticket_key(job), ticket.model_dump_json())
        self.deliver(job)
        return job

    def deliver(self, job: str) -> None:
        sent = self.app.send_task(wire.TASKS["train"], [job], queue=wire.QUEUE)
        self.task_ids[job] = sent.id

    def events(self, job: str) -> list[dict[str, Any]]:
        return told(self.client, job)

    def card(self) -> wire.WorkerCard:
        """The newest card, as soon as there is one."""
        return max(until(self.cards, 120, "no card"), key=lambda card: card.seen)

    def cards(self) -> list[wire.WorkerCard]:
        """Of processes that live: a killed one's card stays until it expires."""
        found = [self.client.get(key) for key in self.client.keys(wire.worker_key("*"))]
        cards = [wire.WorkerCard.model_validate_json(card) for card in found if card]
        dead = psutil.STATUS_ZOMBIE
        living = {process.pid for process in self.family() if process.status() != dead}
        return [card for card in cards if card.pid in living]

    def is_done(self, job: str) -> bool:
        return bool(self.client.exists(wire.done_key(job)))

    def finish(self, job: str, seconds: float = 120) -> list[dict[str, Any]]:
        """Wait for the end of a job; its events."""
        until(lambda: self.is_done(job), seconds, f"{job} is not done")
        return self.events(job)

    def rung(self) -> list[dict[str, str]]:
        """Every entry of the bell."""
        entries: Any = self.client.xrange(wire.BELL)
        return [entry for _, entry in entries]

    def running(self, job: str) -> None:
        """Wait until a job measures."""
        until(lambda: any(e["type"] == "measured" for e in self.events(job)), 120, "never ran")

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]


def told(client: redis.Redis, job: str) -> list[dict[str, Any]]:
    """Every event on a job's stream."""
    entries: Any = client.xrange(wire.stream_key(job))
    return [event for _, entry in entries for event in orjson.loads(entry["events"])]


def until(holds: Callable[[], T], seconds: float, otherwise: str) -> T:
    """What `holds` returns, once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := holds():
            return found
        time.sleep(0.01)
    raise AssertionError(otherwise)


def start(broker: Broker) -> Desk:
    """A worker that may still be waiting for its broker."""
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.serve"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", **broker.env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return Desk(broker.client(), Celery(broker=broker.url), process)


@contextmanager
def running_worker(broker: Broker) -> Iterator[Desk]:
    """A worker that shows its card, ended on the way out."""
    desk = start(broker)
    try:
        until(lambda: desk.client.keys(wire.worker_key("*")), 60, "no worker came")
        yield desk
    finally:
        stop(desk)


def stop(desk: Desk) -> None:
    if desk.process.poll() is None:
        desk.process.terminate()
    desk.process.communicate(timeout=10)
    desk.client.close()
    desk.app.close()
