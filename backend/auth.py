"""The one ASGI layer around everything: who may come in, by which name, with what headers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.access import DOES, NEEDED, OWNER, Door, Role, Visitor, Watch
from backend.audit import Audit
from backend.errors import Problem, away
from backend.limits import Buckets
from backend.patience import BODY_S, timely
from worker.contract.settings import Settings

COOKIE = "normscope_token"
INTENT = "x-normscope-request"
MOST_BYTES = 2**20
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
OPEN = frozenset({"/healthz", "/api/v1/healthz"})
LOOPBACK = ("localhost", "127.0.0.1", "::1")
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Body(NamedTuple):
    """What a request's body may weigh, and how long it may take."""

    bytes: int = MOST_BYTES
    seconds: float = BODY_S


class Gate:
    """Wraps the application; nothing is reached but through here. `bodies` are the addresses that
    take larger ones."""

    def __init__(
        self,
        app: ASGIApp,
        door: Door,
        audit: Audit,
        buckets: Buckets,
        hosts: Iterable[str],
        bodies: Mapping[str, Body],
    ) -> None:
        self.app, self.door, self.audit = app, door, audit
        self.buckets, self.hosts, self.bodies = buckets, frozenset(hosts), bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            body = self._body(scope)
            receiving = _bounded(timely(receive, body.seconds), body.bytes)
            await self._http(scope, receiving, _hardened(send))
        else:
            await receive()
            await send({"type": "websocket.close", "code": 4401, "reason": "none here"})

    def _body(self, scope: Scope) -> Body:
        return self.bodies.get(scope["path"], Body())

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            refusal = self._misplaced(scope, headers)
            visitor = None if refusal or _open(scope) else await self._visitor(scope, headers)
        except Problem as problem:
            refusal, visitor = problem, None
        if visitor is None:
            await (refusal.response() if refusal else self.app)(scope, receive, send)
        else:
            await self._let_in(visitor, scope, receive, send)

    async def _let_in(self, visitor: Visitor, scope: Scope, receive: Receive, send: Send) -> None:
        """As far as the role goes; what it changes, or was not allowed to, is noted."""
        scope["visitor"] = visitor
        refusal = _beyond(visitor, NEEDED.get(scope["method"], Role.ADMIN))
        inside = refusal.response() if refusal else self.app
        if visitor is OWNER:
            await self.audit.follow(inside, visitor, scope, receive, send)
            return
        token = _token(Headers(scope=scope))
        watch = Watch(lambda: self.door.still(token, visitor), receive, send)
        await self.audit.follow(inside, visitor, scope, watch.receive, watch.send)
        await watch.end()

    def _misplaced(self, scope: Scope, headers: Headers) -> Problem | None:
        """The refusal of what no token could make right."""
        if host_name(headers.get("host", "")) not in self.hosts:
            return Problem(421, "This server does not answer to that name.")
        if scope["method"] not in METHODS:
            return Problem(405, "This method is not known here.")
        if _announced(headers) > (most := self._body(scope).bytes):
            return too_large(most)
        return None

    async def _visitor(self, scope: Scope, headers: Headers) -> Visitor:
        """Whoever sent the token. Raises the Problem of one that opens nothing."""
        try:
            visitor = await self.door.who(_token(headers))
        except SQLAlchemyError as error:
            raise away("database") from error
        if visitor is None:
            detail = "Send `Authorization: Bearer <token>`; the token is in the data directory."
            raise Problem(401, detail, headers={"WWW-Authenticate": "Bearer"})
        if _bearer(headers) is None and scope["method"] not in SAFE and not _intended(headers):
            raise Problem(403, f"With a cookie, a change needs the header {INTENT}: 1.")
        self.buckets.take(visitor.name)
        return visitor


def _open(scope: Scope) -> bool:
    return scope["path"] in OPEN and scope["method"] in SAFE


def _beyond(visitor: Visitor, needed: Role) -> Problem | None:
    if visitor.role >= needed:
        return None
    told = f"The token of {visitor.name} may only {DOES[visitor.role]}"
    return Problem(403, f"{told}; this needs the role {needed}.", role=str(visitor.role))


def require(needed: Role) -> Callable[[Request], None]:
    """A dependency of routes that ask for more than their method does."""

    def required(request: Request) -> None:
        if refusal := _beyond(request.scope["visitor"], needed):
            raise refusal

    return required


def host_name(host: str) -> str:
    """A Host header's name without its port; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _token(headers: Headers) -> str | None:
    bearer = _bearer(headers)
    return _cookie(headers) if bearer is None else bearer


def _bearer(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _cookie(headers: Headers) -> str | None:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return None


def _intended(headers: Headers) -> bool:
    """Whether a request with a cookie was made by our own page, not by another site."""
    if headers.get(INTENT) == "1":
        return True
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site == "same-origin"
    host = headers.get("host")
    return origin in (f"http://{host}", f"https://{host}")


def _announced(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() and len(length) < 20 else sys.maxsize


def too_large(most: int) -> Problem:
    return Problem(413, f"The body is larger than {most} bytes.")


def _bounded(receive: Receive, most: int) -> Receive:
    """Count what a body without an announced length brings."""
    total = 0

    async def receiving() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise too_large(most)
        return message

    return receiving


def _hardened(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def allowed_hosts(settings: Settings) -> list[str]:
    """The names that this installation answers to."""
    further = [name.strip().lower() for name in settings.allowed_hosts.split(",")]
    return [*LOOPBACK, settings.host.lower(), *(name for name in further if name)]
