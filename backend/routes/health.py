"""Whether the process is up, and whether everything it needs is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from kombu.exceptions import OperationalError as QueueError
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import PlainTextResponse, Response

from backend.errors import RETRY_S, Problem
from backend.parts import Given, Parts, json
from worker.contract.wire import WorkerCard

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


def _require(workers: list[WorkerCard]) -> None:
    if all(card.state == "lost" for card in workers):
        raise LookupError("no worker takes jobs")
