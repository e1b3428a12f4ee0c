"""Celery: tasks that name a job, and the worker that runs them. Nothing else knows Celery.

The message carries only a job's id and is acknowledged when a process accepts it: the lease and
the recorder, not the queue, see to it that a job runs once and is started again when it is lost.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import redis
from celery import Celery, shared_task
from celery.apps import worker as apps
from celery.exceptions import SecurityWarning
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready
from celery.worker import state
from celery.worker.consumer import Consumer
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.burial import bury_orphans
from worker.child import Child
from worker.contract.settings import Settings
from worker.contract.wire import CUDA_QUEUE, QUEUE, TASKS
from worker.fitness import leave_without_gpu, wait_for_gpu

ASK_S = 0.25
BURIED = "worker.burial:Buried"


def create_app(settings: Settings) -> Celery:
    return Celery(
        "normscope",
        broker=settings.redis_url,
        include=["worker.tasks"],
        task_default_queue=QUEUE,
        task_ignore_result=True,
        task_acks_late=False,
        task_serializer="json",
        accept_content=["json"],
        broker_transport_options={"visibility_timeout": 24 * 3600, "socket_keepalive": True},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_pool_start_method="spawn",
        worker_concurrency=settings.workers,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_proc_alive_timeout=300.0,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_consumer="worker.tasks:PatientConsumer",
        worker_redirect_stdouts=False,
    )


@shared_task(name=TASKS["train"], Request=BURIED)  # type: ignore[untyped-decorator]
def train(job: str) -> None:
    perform(job)


@shared_task(name=TASKS["attack"], Request=BURIED)  # type: ignore[untyped-decorator]
def attack(job: str) -> None:
    perform(job)


@shared_task(name=TASKS["diagnose"], Request=BURIED)  # type: ignore[untyped-decorator]
def diagnose(job: str) -> None:
    perform(job)


def perform(job: str) -> None:
    """A process that was terminated goes at once: while billiard lets it linger for a second, the
    pool may still hand it the next job."""
    try:
        here().perform(job)
    except SystemExit:
        here().close()
        os._exit(128 + signal.SIGTERM)


@cache
def here() -> Child:
    """What this pool process holds; made when it starts."""
    return Child(Settings.from_env())


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:
    here()


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
def _end(**_: Any) -> None:
    here().close()


def serve(settings: Settings) -> int:
    """Take jobs until told to stop; the exit code."""
    warnings.simplefilter("ignore", SecurityWarning)
    gpu = wait_for_gpu(settings)
    worker = Server(
        app=create_app(settings),
        hostname=f"normscope-{os.getpid()}@{socket.gethostname()}",
        loglevel="WARNING",
        quiet=True,
        without_mingle=True,
        without_gossip=True,
        without_heartbeat=True,
        queues=[QUEUE, CUDA_QUEUE] if gpu else [QUEUE],
    )
    if gpu:
        watch = partial(leave_without_gpu, partial(hand_back, worker))
        threading.Thread(target=watch, daemon=True).start()
    worker.start()
    return int(worker.exitcode or 0)


@worker_ready.connect  # type: ignore[untyped-decorator]
def _ready(**_: Any) -> None:
    print("worker: ready", flush=True)
    url = Settings.from_env().redis_url
    threading.Thread(target=bury_orphans, args=(url,), daemon=True).start()


def wait_for_broker(url: str, check: Callable[[], object] = lambda: None) -> None:
    """Return when the broker answers; `check` is called often and may raise."""
    told = False
    with redis.Redis.from_url(url, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)) as client:
        while True:
            check()
            try:
                client.ping()
                return
            except redis.RedisError as error:
                if not told:
                    print(f"worker: waiting for the broker ({error})", flush=True)
                told = True
                time.sleep(ASK_S)


class PatientConsumer(Consumer):  # type: ignore[misc]
    """Asks for a lost broker four times a second, where Celery waits up to half a minute, and
    looks as often for processes that died, which Celery notices within five seconds."""

    def register_with_event_loop(self, hub: Any) -> None:
        super().register_with_event_loop(hub)
        hub.call_repeatedly(ASK_S, self.pool.maintain_pool)

    def ensure_connected(self, conn: Any) -> Any:
        wait_for_broker(self.app.conf.broker_url, state.maybe_shutdown)
        return super().ensure_connected(conn)


class Server(apps.Worker):  # type: ignore[misc]
    """A worker that, told to stop, hands its jobs back instead of waiting for their end."""

    def install_platform_tweaks(self, worker: Any) -> None:
        for name in ("SIGTERM", "SIGINT", "SIGQUIT"):
            apps.install_worker_term_hard_handler(
                worker, sig=name, callback=leave, exitcode=0, verbose=False
            )


def leave(worker: Any) -> None:
    """In a signal handler, before Celery takes the worker apart. A broker that hangs must not keep
    the worker, whose processes are gone by then."""
    end = threading.Timer(Settings.from_env().grace_s - 0.3, os._exit, (0,))
    end.daemon = True
    end.start()
    hand_back(worker)


def hand_back(worker: Any) -> None:
    """End the pool's processes: each hands its job back."""
    pool = worker.pool and worker.pool._pool
    children = list(pool._pool) if pool else []
    for child in children:
        pool.terminate_job(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + Settings.from_env().grace_s - 1
    while time.monotonic() < deadline and any(child.exitcode is None for child in children):
        time.sleep(0.02)
    for child in children:
        if child.exitcode is None:
            pool.terminate_job(child.pid, signal.SIGKILL)
