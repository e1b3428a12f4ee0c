"""The one ASGI layer around everything: who may come in, by which name, and with what headers.

The web process has no secret. Whether a token opens anything it asks of the API, and remembers
the answer for half a minute; `/api/*` passes through to the API, which judges for itself.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import httpx
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.api import COOKIE
from frontend.door import away_page, login_page
from frontend.patience import timely
from frontend.proxy import Proxy

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = SAFE | {"POST", "PUT", "PATCH", "DELETE"}
KNOWN_S = 30.0
"""How long an answer about a token is believed."""
KEPT_S = 600.0
"""How long a token that was good stays so while the API is away: the pages hold no data."""


class Gate:
    """Wraps the application; nothing is reached but through here."""

    def __init__(
        self,
        app: ASGIApp,
        http: httpx.AsyncClient,
        allowed_hosts: Iterable[str],
        script_hashes: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.proxy = Proxy(http)
        self.tokens = Tokens(http)
        self.hosts = frozenset(allowed_hosts)
        self.headers = security_headers(script_hashes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http(scope, timely(receive, scope["path"]), self._hardened(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        welcome = (
            self._host_known(headers)
            and "origin" in headers
            and same_origin(headers)
            and await self.tokens.good(visitor_token(headers)) is True
        )
        if welcome:
            await self.app(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.close", "code": 4401, "reason": "no token"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = self._refused(request) or await self._answered(request)
        await (answer or self.app)(scope, receive, send)

    def _refused(self, request: Request) -> Response | None:
        """The refusal of what no token could make right."""
        if not self._host_known(request.headers):
            return PlainTextResponse("This server does not answer to that name.\n", 421)
        if request.method not in METHODS:
            return PlainTextResponse("Method not allowed.\n", 405)
        if not request.scope["path"].startswith("/"):  # `*`, or another site's whole address
            return PlainTextResponse("There is nothing at this address.\n", 404)
        if request.method not in SAFE and not same_origin(request.headers):
            return PlainTextResponse("This request comes from another site.\n", 403)
        return None

    async def _answered(self, request: Request) -> Response | None:
        """The gate's own answer, or None to let the request in."""
        path = request.url.path
        if path == "/healthz":
            return PlainTextResponse("ok\n")
        if path == "/api" or path.startswith("/api/"):
            return await self.proxy.answer(request)
        if path == "/login" and request.method == "POST":
            return await self._login(request)
        if request.method in SAFE and "token" in request.query_params:
            return await self._exchange(request)
        return await self._known(request)

    async def _known(self, request: Request) -> Response | None:
        good = await self.tokens.good(visitor_token(request.headers))
        if good:
            return None
        if good is None:
            return away_page()
        return login_page(request.url.path, wrong=False)

    async def _login(self, request: Request) -> Response:
        try:
            body = await _short_body(request)
        except ClientDisconnect:
            return PlainTextResponse("The form took too long.\n", 408)
        form = QueryParams(body.decode("utf-8", "replace"))
        return await self._enter(request, form.get("token", "").strip(), form.get("next", "/"))

    async def _exchange(self, request: Request) -> Response:
        """`/?token=…` becomes a cookie at once, and the token leaves the address."""
        rest = [(k, v) for k, v in parse_qsl(request.url.query) if k != "token"]
        query = f"?{urlencode(rest)}" if rest else ""
        target = request.url.path + query
        return await self._enter(request, request.query_params["token"], target)

    async def _enter(self, request: Request, token: str, target: str) -> Response:
        good = await self.tokens.good(token)
        target = local_path(target)
        if good is None:
            return away_page()
        if not good:
            return login_page(target, wrong=True)
        answer = RedirectResponse(target, 303)
        https = request.url.scheme == "https"  # as the reverse proxy of this machine tells
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", path="/", secure=https)
        answer.headers["cache-control"] = "no-store"
        return answer

    def _host_known(self, headers: Headers) -> bool:
        return address(f"//{headers.get('host', '')}").hostname in self.hosts

    def _hardened(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return sending


class Tokens:
    """Which tokens the API knows, asked at most every half minute and kept only as hashes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._good: dict[bytes, float] = {}

    async def good(self, token: str | None) -> bool | None:
        """Whether the token opens the API; None while the API cannot say."""
        if not token or not token.isascii() or not token.isprintable():
            return False
        key, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
        asked = self._good.get(key)
        if asked is not None and now - asked < KNOWN_S:
            return True
        known = await self._ask(token)
        if known is True:
            self._remember(key, now)
        elif known is False:
            self._good.pop(key, None)
        elif asked is not None and now - asked < KEPT_S:
            return True
        return known

    async def _ask(self, token: str) -> bool | None:
        if not token.isascii():
            return False  # no token has such letters, and no header may
        headers = {"Authorization": f"Bearer {token}"}
        try:
            answer = await self._http.get("/api/v1/session", headers=headers, timeout=5.0)
        except httpx.HTTPError:
            return None
        if answer.is_success:
            return True
        return False if answer.status_code in (401, 403) else None

    def _remember(self, key: bytes, now: float) -> None:
        if len(self._good) > 1000:
            self._good.clear()
        self._good[key] = now


def visitor_token(headers: Headers) -> str | None:
    """The bearer token, else the cookie."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and bearer:
        return bearer.strip()
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')
    return None


def same_origin(headers: Headers) -> bool:
    """Whether a request comes from our own pages, or from no browser at all."""
    site = headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or address(origin).netloc == headers.get("host")


def address(text: str) -> SplitResult:
    """A web address in its parts; all of them empty where the text is none, such as `http://[`."""
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")


def local_path(target: str) -> str:
    """The path to go to, never another site's address."""
    parts = address(target.replace("\\", "/"))
    path = "/" + parts.path.lstrip("/")
    return f"{path}?{parts.query}" if parts.query else path


def security_headers(script_hashes: Iterable[str]) -> dict[str, str]:
    """What every answer carries. Scripts: our own files and Dash's inline ones, by their hashes."""
    policy = {
        "default-src": "'self'",
        "script-src": " ".join(["'self'", *script_hashes]),
        "style-src": "'self' 'unsafe-inline'",  # Mantine, Plotly and AG Grid write style elements
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=()",
    }


async def _short_body(request: Request, limit: int = 8192) -> bytes:
    """The first bytes of a body: no login form is longer."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            break
    return body[:limit]
