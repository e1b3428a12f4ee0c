"""What Celery's parent process does when a process dies: free its job before the lease lapses."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import psutil
import redis
from celery.worker.request import Request

from worker.broker import connect
from worker.contract import wire
from worker.lease import lost
from worker.presence import name_of

MISSED_MS = wire.LEASE_MS - 1000 * wire.RENEW_S - 500
"""A lease with less than that left was not renewed when it should have been."""
LOOKS = 15
ORPHANED = "the worker was killed"


class Buried(Request):  # type: ignore[misc]
    """A message whose process may die: long before the lease lapses, the parent knows."""

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> None:
        job = next(iter(self.args), "")
        reason = cause(exc_info.exception)
        # A broker that is away forgets the lease by itself.
        with contextlib.suppress(redis.RedisError), connect(self.app.conf.broker_url) as client:
            bury(client, job, self.worker_pid, reason)
        super().on_failure(exc_info, *args, **kwargs)


def cause(error: Exception) -> str:
    """In one line, without Celery's trace and number of the job."""
    lines = str(error).strip(' \n"').splitlines() or [type(error).__name__]
    return lines[-1].rpartition("Error: ")[2].partition(" Job:")[0]


def bury(client: redis.Redis, job: str, pid: int, reason: str) -> None:
    """Free the job that the process ran, and take its card away."""
    client.delete(wire.worker_key(name_of(pid)))
    lost(client, job, name_of(pid), reason)


def bury_orphans(url: str) -> None:
    """Free what a worker that was killed as a whole left, while the next one starts."""
    for _ in range(LOOKS):
        with contextlib.suppress(redis.RedisError), connect(url) as client:
            for job, pid in orphans(client):
                bury(client, job, pid, ORPHANED)
        time.sleep(1)


def orphans(client: redis.Redis) -> list[tuple[str, int]]:
    """Jobs of processes of this host that are no more. Another host of the same name may have a
    process of that number: it renews its lease."""
    found = []
    for key in client.scan_iter(wire.lease_key("*"), count=1000):
        held = client.get(key)
        holder = held.decode().partition(":")[2] if isinstance(held, bytes) else ""
        host, _, pid = holder.rpartition("-")
        here = host == socket.gethostname() and pid.isdecimal()
        if here and not psutil.pid_exists(int(pid)) and int(client.pttl(key)) < MISSED_MS:
            found.append((key.decode().removeprefix(wire.lease_key("")), int(pid)))
    return found
