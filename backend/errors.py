"""Every error is a problem document (RFC 9457) that names the offending field."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from kombu.exceptions import OperationalError as QueueError
from pydantic import BaseModel
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

log = logging.getLogger(__name__)

RETRY_S = 2


class FieldError(BaseModel):
    field: str
    message: str


class ProblemDocument(BaseModel):
    """What every answer of 400 and above carries."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError]


class Problem(Exception):
    """The request cannot be served: raised anywhere, answered as a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors = status, detail, list(errors)
        self.headers, self.members = dict(headers or {}), members

    def response(self) -> Response:
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": [{"field": field, "message": text} for field, text in self.errors],
            **self.members,
        }
        return Response(
            orjson.dumps(document), self.status, self.headers, "application/problem+json"
        )


def bad_field(field: str, message: str) -> Problem:
    """422 about one value."""
    return Problem(422, f"{field}: {message}", [(field, message)])


def away(what: str) -> Problem:
    """503 about the broker or the database."""
    headers = {"Retry-After": str(RETRY_S)}
    return Problem(503, f"The {what} is away; try again shortly.", headers=headers)


Handler = Callable[[Request, Exception], Awaitable[Response]]


def install(app: FastAPI) -> None:
    """Answer every exception that a route lets through."""
    app.add_exception_handler(Problem, _answer(lambda error: _as(Problem, error)))
    app.add_exception_handler(HTTPException, _answer(_http))
    app.add_exception_handler(RequestValidationError, _answer(_query))
    app.add_exception_handler(RedisError, _answer(lambda _: away("broker")))
    app.add_exception_handler(QueueError, _answer(lambda _: away("broker")))
    app.add_exception_handler(DBAPIError, _answer(_database))
    app.add_exception_handler(ClientDisconnect, _answer(lambda _: Problem(400, "Half a request.")))
    app.add_exception_handler(PoolTimeout, _answer(lambda _: away("database")))
    app.add_exception_handler(Exception, _answer(lambda _: _unexpected()))


def _answer(problem: Callable[[Exception], Problem]) -> Handler:
    async def handler(request: Request, error: Exception) -> Response:
        return problem(error).response()

    return handler


def _as(kind: type[Problem], error: Exception) -> Problem:
    assert isinstance(error, kind)
    return error


def _http(error: Exception) -> Problem:
    assert isinstance(error, HTTPException)
    details = {404: "There is nothing at this address.", 405: "This address does not do that."}
    detail = details.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return Problem(error.status_code, detail, headers=error.headers)


def _query(error: Exception) -> Problem:
    assert isinstance(error, RequestValidationError)
    errors = [(".".join(map(str, e["loc"][1:])), str(e["msg"])) for e in error.errors()]
    return Problem(422, "A parameter of the request is wrong.", errors)


def _database(error: Exception) -> Problem:
    if isinstance(error, IntegrityError):
        return Problem(409, "This conflicts with a change made at the same time.")
    log.warning("the database is away: %s", type(error).__name__)
    return away("database")


def _unexpected() -> Problem:
    return Problem(500, "Something went wrong here; the server's log has the details.")
