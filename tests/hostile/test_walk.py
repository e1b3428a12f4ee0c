"""Every address of the dashboard, Dash's own included: shut without a token, open with one."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from tests.e2e.explorer import ROOT, Explorer
from tests.frontend.conftest import pages
from tests.hostile.conftest import api

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("hostile")]

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
SOCKET |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Origin": "http://127.0.0.1"}
WRONG: list[dict[str, str]] = [
    {},
    {"Authorization": "Bearer wrong"},
    {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
    {"Cookie": "normscope_token=wrong"},
    {"Cookie": "normscope_token="},
]


@pytest.fixture(scope="module")
def addresses(explorer: Explorer) -> list[str]:
    """What the server routes, every page, every asset, and the scripts that a page loads."""
    server, _ = pages()
    routed = {getattr(route, "path", "/") for route in server.routes}
    plain = {re.sub(r"{[^}]*}", "a", path) for path in routed}
    assets = ROOT / "frontend/assets"
    files = {f"/assets/{path.relative_to(assets)}" for path in assets.rglob("*") if path.is_file()}
    with visitor(explorer) as client:
        loaded = set(re.findall(r'(?:src|href)="(/[^"]+)"', client.get("/").text))
    assert len(files) > 30
    assert any("_dash-component-suites" in path for path in loaded)
    shown = {"/", "/jobs", "/launch", "/compare", "/papers", "/catalogue", "/sweeps", "/nope"}
    dash = {"/_dash-layout", "/_dash-dependencies", "/_dash-update-component", "/_reload-hash"}
    return sorted(plain | files | loaded | shown | dash | {"/api/v1/docs", "/api/v1/openapi.json"})


def visitor(explorer: Explorer, headers: dict[str, str] | None = None) -> httpx.Client:
    given = headers if headers is not None else {"Authorization": f"Bearer {explorer.token}"}
    return httpx.Client(base_url=explorer.url, headers=given, timeout=60)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_nothing_answers_a_stranger(
    explorer: Explorer, addresses: list[str], wrong: dict[str, str]
) -> None:
    with visitor(explorer, wrong) as client:
        for path in addresses:
            for method in METHODS if "/assets/" not in path else ("GET", "POST"):
                answer = client.request(method, path)
                assert answer.status_code in (401, 405), (method, path)
                assert "react-entry-point" not in answer.text
                assert "default-src" in answer.headers["content-security-policy"]
        assert client.get("/healthz").status_code == 200
        assert client.post("/healthz").status_code in (200, 401)


def test_the_token_opens_pages_scripts_and_assets(explorer: Explorer, addresses: list[str]) -> None:
    opened = 0
    with visitor(explorer) as client:
        for path in addresses:
            status = client.get(path).status_code
            assert status in (200, 404, 405), (path, status)
            opened += status == 200
            for header, value in client.get(path).headers.multi_items():
                assert explorer.token not in value, header
    assert opened > 50


@pytest.mark.parametrize("path", ["/", "/_dash-ws-callback", "/api/v1/events", "/_dash-layout"])
def test_a_web_socket_is_nowhere_opened(explorer: Explorer, path: str) -> None:
    for url in (explorer.url, api(explorer)):
        for headers in (*WRONG, {"Authorization": f"Bearer {explorer.token}"}):
            with httpx.stream("GET", url + path, headers={**headers, **SOCKET}) as answer:
                assert answer.status_code != 101
                wrong = headers in WRONG
                assert not wrong or answer.status_code in (400, 401, 403), answer.status_code


def test_event_streams_and_files_ask_for_the_token(explorer: Explorer) -> None:
    for url in (explorer.url, api(explorer)):
        for path in ("/api/v1/events", "/api/v1/events?jobs=a", "/api/v1/artifacts/a"):
            for headers in WRONG:
                asked: dict[str, Any] = {"headers": headers, "timeout": 60}
                assert httpx.get(url + path, **asked).status_code == 401
        right = {"Authorization": f"Bearer {explorer.token}"}
        with httpx.stream("GET", f"{url}/api/v1/events", headers=right, timeout=60) as answer:
            assert answer.status_code == 200
            assert next(answer.iter_lines()).startswith("retry:")
