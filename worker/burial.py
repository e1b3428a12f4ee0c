"""What Celery's parent process does when a process of its pool dies: free its job, at once."""

from __future__ import annotations

import contextlib
from typing import Any

import redis
from celery.worker.request import Request

from worker.broker import connect
from worker.contract import wire
from worker.lease import lost
from worker.presence import name_of


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
