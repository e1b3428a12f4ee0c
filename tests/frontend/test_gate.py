"""Who comes in, by which name, with what headers; and what passes through to the API."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import uvicorn

from frontend import api
from frontend.api import COOKIE
from frontend.app import create_app
from frontend.gate import Gate, local_path
from frontend.proxy import end_to_end
from frontend.settings import Settings
from tests.frontend.conftest import TOKEN, SmallApi, visiting

Api = tuple[SmallApi, str]
IN = {"Authorization": f"Bearer {TOKEN}"}


def get(url: str, path: str, **request: Any) -> httpx.Response:
    method = request.pop("method", "GET")
    base = request.pop("base", "http://localhost")

    async def visit(visitor: httpx.AsyncClient, _: Gate) -> httpx.Response:
        return await visitor.request(method, path, **request)

    return visiting(url, visit, base)


@pytest.fixture(scope="module")
def away() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_every_route_is_shut_without_a_token(small_api: Api) -> None:
    async def visit(visitor: httpx.AsyncClient, gate: Gate) -> dict[str, int]:
        paths = {getattr(route, "path", "/") for route in gate.app.routes}  # type: ignore[attr-defined]
        plain = {path.replace("{path:path}", "jobs") for path in paths}
        assert {"/_dash-layout", "/_dash-update-component", "/assets"} <= plain
        asked = [(verb, path) for path in plain for verb in ("GET", "POST", "DELETE", "PUT")]
        return {f"{v} {p}": (await visitor.request(v, p)).status_code for v, p in asked}

    statuses = visiting(small_api[1], visit)
    assert len(statuses) > 20
    assert set(statuses.values()) == {401}


def test_a_page_without_a_token_says_how_to_get_in(small_api: Api) -> None:
    page = get(small_api[1], "/jobs?state=failed")
    assert page.status_code == 401
    assert "Paste the token" in page.text or "paste the token" in page.text
    assert 'name="next" value="/jobs"' in page.text


def test_a_token_in_the_address_becomes_a_cookie(small_api: Api) -> None:
    answer = get(small_api[1], f"/jobs?token={TOKEN}&state=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?state=failed")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}={TOKEN};")
    assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))


def test_behind_tls_the_cookie_stays_there(small_api: Api) -> None:
    for base, secure in (("https://localhost", True), ("http://localhost", False)):
        cookie = get(small_api[1], f"/?token={TOKEN}", base=base).headers["set-cookie"]
        assert ("Secure" in cookie.split("; ")) is secure


def test_a_wrong_token_becomes_no_cookie(small_api: Api) -> None:
    answer = get(small_api[1], "/?token=wrong")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert "does not open" in answer.text


def test_the_login_form_leads_where_one_wanted_to_go(small_api: Api) -> None:
    form = {"token": TOKEN, "next": "//evil.example/x?y=1"}
    answer = get(small_api[1], "/login", method="POST", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/x?y=1"
    assert TOKEN in answer.headers["set-cookie"]


@pytest.mark.parametrize("carried", [{"headers": IN}, {"headers": {"Cookie": f"{COOKIE}={TOKEN}"}}])
def test_bearer_and_cookie_open_pages(small_api: Api, carried: dict[str, Any]) -> None:
    for path in ("/", "/launch", "/jobs", "/catalogue", "/_dash-layout", "/assets/shell.js"):
        assert get(small_api[1], path, **carried).status_code == 200, path


def test_unknown_addresses_are_404(small_api: Api) -> None:
    page = get(small_api[1], "/no/such/page", headers=IN)
    assert (page.status_code, "text/html" in page.headers["content-type"]) == (404, True)
    for path in ("/api/nope", "/api", "/api/v2/jobs"):
        answer = get(small_api[1], path, headers=IN)
        assert answer.status_code == 404, path
        assert "react-entry-point" not in answer.text


def test_every_answer_carries_the_security_headers(small_api: Api) -> None:
    for path in ("/", "/jobs", "/assets/shell.js", "/healthz", "/api/v1/echo"):
        headers = get(small_api[1], path).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert "unsafe-eval" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_other_names_of_this_host_are_refused(small_api: Api) -> None:
    assert get(small_api[1], "/", base="http://evil.example", headers=IN).status_code == 421
    assert get(small_api[1], "/healthz", base="http://[::1]:8050").status_code == 200


@pytest.mark.parametrize(
    "foreign", [{"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_site_cannot_act(small_api: Api, foreign: dict[str, str]) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = get(small_api[1], "/api/v1/echo", method=method, headers={**IN, **foreign})
        assert answer.status_code == 403
    same = {**IN, "Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert get(small_api[1], "/api/v1/echo", method="POST", headers=same).status_code == 200


def test_a_token_is_asked_for_once_in_a_while(small_api: Api) -> None:
    async def visit(visitor: httpx.AsyncClient, _: Gate) -> None:
        for _ in range(5):
            assert (await visitor.get("/jobs", headers=IN)).status_code == 200

    visiting(small_api[1], visit)
    assert len(small_api[0].asked) == 1


def test_the_api_away_is_a_page_and_a_problem(away: str) -> None:
    page = get(away, "/", headers=IN)
    assert (page.status_code, "The API is away" in page.text) == (503, True)
    problem = get(away, "/api/v1/jobs", headers=IN)
    assert problem.status_code == 503
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == 503


def test_what_is_asked_of_the_api_arrives_whole(small_api: Api) -> None:
    path, headers = "/api/v1/echo?a=1&b=%2F", {**IN, "Connection": "x-mine", "X-Mine": "1"}
    answer = get(small_api[1], path, method="POST", headers=headers, content=b"body")
    said = answer.json()
    assert (said["method"], said["query"], said["body"]) == ("POST", "a=1&b=%2F", "body")
    assert said["headers"]["authorization"] == IN["Authorization"]
    assert said["headers"]["host"] == "localhost"
    assert "x-mine" not in said["headers"]
    assert "x-secret-hop" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/raw/./jobs", "/raw/../jobs", "/raw/..%2f..", "/raw/%2e%2e/a", "/raw/a%00b", "/raw//"]
)
def test_an_address_arrives_as_it_was_written(small_api: Api, path: str) -> None:
    async def inside(*_: Any) -> None:
        raise AssertionError("not for the pages")

    async def ask() -> list[Any]:
        sent: list[Any] = []
        raw = f"/api/v1{path}"
        headers = [(b"host", b"localhost")]
        scope = {"type": "http", "method": "GET", "path": unquote(raw), "raw_path": raw.encode()}
        scope |= {"query_string": b"", "headers": headers, "scheme": "http"}

        async def receive() -> Any:
            await asyncio.sleep(60)  # the visitor stays

        async def send(message: Any) -> None:
            sent.append(message)

        async with api.client(small_api[1]) as http:
            await Gate(inside, http, {"localhost"})(scope, receive, send)
        return sent

    sent = asyncio.run(ask())
    assert sent[0]["status"] == 200
    assert b"".join(message["body"] for message in sent[1:]).decode() == f"/api/v1{path}"


def test_headers_of_one_connection_stay_behind() -> None:
    given = [("Connection", "close, X-Hop"), ("X-Hop", "1"), ("TE", "x"), ("Set-Cookie", "a")]
    assert end_to_end(given) == [("set-cookie", "a")]


def test_an_event_stream_is_not_held_back(small_api: Api) -> None:
    """The first event arrives while the API still waits to tell the second."""
    small, url = small_api
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        gate = create_app(Settings(api_url=url), api.client(url))
        server = uvicorn.Server(uvicorn.Config(gate, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/api/v1/events"
        with httpx.stream("GET", address, headers=IN, timeout=5) as stream:
            events = stream.iter_text()
            assert "data: 1" in next(events)
            assert not small.release.is_set()
            small.release.set()
            assert "data: 2" in "".join(events)
        server.should_exit = True
        thread.join(5)


@pytest.mark.parametrize(
    ("headers", "welcome"),
    [
        ({}, False),
        ({"origin": "http://localhost"}, False),
        ({"origin": "http://evil.example", "cookie": f"{COOKIE}={TOKEN}"}, False),
        ({"cookie": f"{COOKIE}={TOKEN}"}, False),
        ({"origin": "http://localhost", "cookie": f"{COOKIE}={TOKEN}"}, True),
    ],
)
def test_a_web_socket_needs_origin_and_token(
    small_api: Api, headers: dict[str, str], welcome: bool
) -> None:
    reached = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])

    async def knock() -> list[Any]:
        sent: list[Any] = []
        raw = [(b"host", b"localhost")]
        raw += [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "websocket", "path": "/_dash-ws-callback", "headers": raw}

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        async with api.client(small_api[1]) as http:
            await Gate(inside, http, {"localhost"})(scope, receive, send)
        return sent

    sent = asyncio.run(knock())
    assert bool(reached) is welcome
    assert [message["type"] for message in sent] == ([] if welcome else ["websocket.close"])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/jobs?a=1", "/jobs?a=1"),
        ("https://evil.example/x", "/x"),
        ("//evil.example", "/"),
        ("\\\\evil.example/y", "/y"),
        ("", "/"),
    ],
)
def test_a_redirect_stays_here(target: str, path: str) -> None:
    assert local_path(target) == path
