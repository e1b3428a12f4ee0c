"""Whether the process is up, whether everything it needs is there, and figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fastapi import APIRouter, Request
from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from backend.errors import RETRY_S, Problem
from backend.parts import Given, Parts, json
from backend.store import jobs

router = APIRouter(tags=["health"])

AWAY = (RedisError, QueueError, SQLAlchemyError)


@router.get("/session", status_code=204)
def session() -> Response:
    """Whether the token opens the door: it did, or this would have been a 401."""
    return Response(status_code=204)


@router.get("/healthz", response_class=PlainTextResponse)
def healthz() -> Response:
    """The process is up."""
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(given: Given) -> Response:
    """Whether the broker, the database and a worker can be reached; 503 says which cannot."""
    checks = {
        "broker": _works(given.queue.ping),
        "database": _works(lambda: _ask_database(given)),
        "worker": _works(lambda: _require(given.queue.workers())),
    }
    if all(checks.values()):
        return json({"status": "ready", "checks": checks})
    missing = " and ".join(name for name, works in checks.items() if not works)
    headers = {"Retry-After": str(RETRY_S)}
    raise Problem(503, f"Not ready: no {missing}.", headers=headers, checks=checks)


def _works(check: Callable[[], Any]) -> bool:
    try:
        check()
    except (*AWAY, LookupError):
        return False
    return True


def _ask_database(given: Parts) -> None:
    with given.store.read() as connection:
        connection.execute(text("SELECT 1"))


def _require(workers: list[Any]) -> None:
    if not workers:
        raise LookupError("no worker is alive")


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(given: Given, request: Request) -> Response:
    """Figures in Prometheus' text form."""
    lines = [*_job_lines(given), *_broker_lines(given)]
    lines += _gauge("normscope_event_streams", "open event streams", request.app.state.hub.clients)
    return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _job_lines(given: Parts) -> Iterator[str]:
    with given.store.read() as connection:
        counts = jobs.counts(connection)
    yield "# HELP normscope_jobs jobs by state"
    yield "# TYPE normscope_jobs gauge"
    for state in (*jobs.UNFINISHED, *jobs.ENDED):
        yield f'normscope_jobs{{state="{state}"}} {counts.get(state, 0)}'


def _broker_lines(given: Parts) -> Iterator[str]:
    try:
        waiting, cards = given.queue.waiting(), given.queue.workers()
    except AWAY:
        yield from _gauge("normscope_broker_up", "whether the broker answers", 0)
        return
    yield from _gauge("normscope_broker_up", "whether the broker answers", 1)
    yield from _gauge("normscope_messages_waiting", "messages no worker has taken", waiting)
    yield from _gauge("normscope_workers", "workers alive", len(cards))
    busy = sum(card.state == "busy" for card in cards)
    yield from _gauge("normscope_workers_busy", "workers that run a job", busy)


def _gauge(name: str, help: str, value: float) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} gauge"
    yield f"{name} {value}"
