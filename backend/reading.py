"""A request as it came: its body as JSON that means one thing, its query without surprises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic_core import from_json

from backend.errors import Problem, bad_field


def json_value(content_type: str, body: bytes) -> Any:
    """The body's JSON value; numbers may be NaN, so that validation can name their field.

    415 for another kind of body, 400 for one that is no JSON, 422 for a name given twice.
    """
    if body and content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "Send the body with Content-Type: application/json.")
    try:
        value = from_json(body, allow_inf_nan=True)
    except ValueError as error:
        # the parser's message says what and where, and repeats nothing of the body
        raise Problem(400, f"The body is not JSON in UTF-8: {error}.") from error
    # The parser above keeps the last of two and says nothing.
    json.loads(body, object_pairs_hook=_once, parse_int=str)
    return value


def _once(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for at, name in enumerate(names) if name in names[:at])
        raise bad_field(twice[:100], "given twice in one object")


async def known_query(request: Request) -> None:
    """422 naming a parameter of the query that the route does not know."""
    route = request.scope.get("route")
    known = set(_names(route.dependant)) if isinstance(route, APIRoute) else set()
    for name in request.query_params:
        if name not in known:
            told = f"no such parameter; known: {', '.join(sorted(known)) or 'none'}"
            raise bad_field(name[:100], told)


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)
