"""What a browser posts to Dash, looked at before Dash does: Dash would answer anything odd 500."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.problem import problem

PATH = "/_dash-update-component"
MOST_BYTES = 10_000_000


class WellFormed:
    """Lets a callback's request through only if Dash has such a callback with such arguments."""

    def __init__(self, app: ASGIApp, callbacks: Mapping[str, Any]) -> None:
        self.app = app
        self.callbacks = callbacks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) != ("POST", PATH):
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            body = await _body(request)
        except ClientDisconnect:
            late = problem(408, "Request Timeout", "The body took too long.")
            await late(scope, receive, send)
            return
        wrong = _wrong(request.headers.get("content-type", ""), body, self.callbacks)
        if wrong:
            await problem(400, "Bad Request", wrong)(scope, receive, send)
        else:
            await self.app(scope, _again(body, receive), send)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return b""
    return body


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, then whatever comes."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return messages.pop() if messages else await receive()

    return receiving


def _wrong(content_type: str, body: bytes, callbacks: Mapping[str, Any]) -> str | None:
    """What is wrong with a request, None if nothing."""
    if not content_type.startswith("application/json"):
        return "The body of a callback is application/json."
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        return "The body is not JSON."
    if not isinstance(asked, dict) or not isinstance(asked.get("output"), str):
        return "The body names no output."
    known = callbacks.get(asked["output"])
    if known is None:
        return "There is no such callback."
    if not _arguments(asked, known) or not _changes(asked.get("changedPropIds", [])):
        return "These are not the callback's arguments."
    return None


def _arguments(asked: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    for name, wanted in (("inputs", known["inputs"]), ("state", known["state"])):
        given = asked.get(name, [])
        if not isinstance(given, list) or len(given) != len(wanted):
            return False
        if not all(_argument(one) for one in given):
            return False
    outputs = asked.get("outputs", [])
    one_or_many = outputs if isinstance(outputs, list) else [outputs]
    return bool(one_or_many) and all(_argument(one) for one in one_or_many)


def _argument(one: Any) -> bool:
    """A component's property, or a list of them where the callback matches many."""
    if isinstance(one, list):
        return all(isinstance(part, dict) and _argument(part) for part in one)
    return isinstance(one, dict) and isinstance(one.get("property"), str) and "id" in one


def _changes(changed: Any) -> bool:
    return isinstance(changed, list) and all(isinstance(one, str) for one in changed)
