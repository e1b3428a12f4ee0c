"""A worker's card: who it is and what it does, renewed at the broker while the process lives."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import redis

from worker.contract import wire

RENEW_S = 5.0


def name_of(pid: int) -> str:
    """A process of this host, as cards and leases call it."""
    return f"{socket.gethostname()}-{pid}"


def sweep(client: redis.Redis) -> None:
    """Take away the cards of processes of this host that are no more: killed, or stopped while
    the broker was away. A card that was taken wrongly is shown again within seconds."""
    for key in client.scan_iter(wire.worker_key(f"{socket.gethostname()}-*"), count=1000):
        pid = key.decode().rpartition("-")[2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            client.delete(key)


class Presence:
    """Shows the card from a thread of its own; a broker that is away is tried again."""

    def __init__(
        self, client: redis.Redis, device: str, flops_per_s: float | None, **more: Any
    ) -> None:
        """`more` is what else the card tells."""
        now = time.time()
        self.client = client
        self.card = wire.WorkerCard(
            name=name_of(os.getpid()),
            pid=os.getpid(),
            host=socket.gethostname(),
            device=device,
            flops_per_s=flops_per_s,
            since=now,
            seen=now,
            **{"state": "starting", **more},
        )
        self._changed = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def busy(self, job: str) -> Iterator[None]:
        """The card says so while the block runs."""
        self._tell("busy", job)
        try:
            yield
        finally:
            self._tell("idle", None)

    def close(self) -> None:
        """Take the card away."""
        self._over = True
        self._changed.set()
        self._thread.join(1)

    def _run(self) -> None:
        with contextlib.suppress(redis.RedisError):
            sweep(self.client)
        while not self._over:
            self._show()
            self._changed.wait(RENEW_S)
            self._changed.clear()
        with contextlib.suppress(redis.RedisError):
            self.client.delete(wire.worker_key(self.card.name))

    def _show(self) -> None:
        card = self.card.model_copy(update={"seen": time.time()})
        with contextlib.suppress(redis.RedisError):
            self.client.set(
                wire.worker_key(card.name), card.model_dump_json(), ex=wire.WORKER_TTL_S
            )

    def ready(self, flops_per_s: float) -> None:
        """From now on a job begins at once. The rate, once more: at the start others wanted the
        cores too."""
        best = max(flops_per_s, self.card.flops_per_s or 0.0)
        self._update(state="idle", flops_per_s=best)

    def _tell(self, state: str, job: str | None) -> None:
        self._update(state=state, job=job, since=time.time())

    def _update(self, **told: Any) -> None:
        self.card = self.card.model_copy(update=told)
        self._changed.set()
