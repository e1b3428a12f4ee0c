"""Who comes in, by which name, and what a page of another site can do: nothing."""

from __future__ import annotations

import re
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from backend.auth import Gate
from backend.first_token import stored_token, token_of
from backend.local import up
from tests.backend.parts import AUTH, TOKEN
from worker.contract.settings import Settings

OPEN = {"/healthz", "/api/v1/healthz"}


def routes(client: TestClient, gate: Gate) -> set[tuple[str, str]]:
    """Every method and address of the application, as OpenAPI tells and beyond it."""
    document: dict[str, Any] = client.get("/api/v1/openapi.json", headers=AUTH).json()
    told = {(m.upper(), path) for path, calls in document["paths"].items() for m in calls}
    plain = {
        (method, route.path)
        for route in gate.app.routes  # type: ignore[attr-defined]
        if isinstance(route, APIRoute) or hasattr(route, "methods")
        for method in (getattr(route, "methods", None) or ())
    }
    hidden = {("GET", f"{p}{n}") for p in ("", "/api/v1") for n in ("/readyz", "/metrics")}
    pages = {("GET", "/api/v1/docs"), ("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/nope")}
    return told | plain | hidden | pages


def test_every_route_asks_for_the_token(stranger: TestClient, gate: Gate) -> None:
    found = routes(stranger, gate)
    assert len(found) > 20
    for method, path in found:
        if path in OPEN or path == "/api/v1/events":
            continue
        url = re.sub(r"{\w+}", "a", path)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Cookie": "normscope_token=no"}):
            refused = stranger.request(method, url, headers=headers)
            assert refused.status_code == 401, (method, url, headers)
            assert refused.headers["content-type"] == "application/problem+json"
        known = stranger.request(method, url, headers=AUTH)
        assert known.status_code != 401, (method, url)
        assert known.headers["x-content-type-options"] == "nosniff"
    assert stranger.get("/api/v1/events?jobs=a").status_code == 401
    assert stranger.get("/api/v1/events?jobs=a", headers=AUTH).status_code == 404
    assert stranger.get("/healthz").status_code == 200
    assert stranger.post("/healthz").status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Normscope-Request": "1"}, 400),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://127.0.0.1"}, 400),
        ({"Origin": "http://evil.example"}, 403),
    ],
)
def test_a_change_with_a_cookie_must_be_meant(
    stranger: TestClient, headers: dict[str, str], status: int
) -> None:
    cookie = {"Cookie": f"other=1; normscope_token={TOKEN}"}
    assert stranger.get("/api/v1/session", headers=cookie).status_code == 204
    assert stranger.post("/api/v1/jobs", headers={**cookie, **headers}).status_code == status


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 204),
        ("localhost", 204),
        ("[::1]:8000", 204),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_only_known_names(stranger: TestClient, host: str, status: int) -> None:
    answer = stranger.get("/api/v1/session", headers={**AUTH, "Host": host})
    assert answer.status_code == status


def test_beyond_loopback_only_with_a_token(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NORMSCOPE_TOKEN"):
        token_of(Settings(host="0.0.0.0", data_dir=tmp_path))
    given = Settings(host="0.0.0.0", data_dir=tmp_path, token="x" * 16)
    assert token_of(given) == "x" * 16
    assert token_of(Settings(data_dir=tmp_path)) == (tmp_path / "token").read_text()


def test_the_token_is_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "token"
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(stored_token(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found[0]) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "kept", ["", "\n", "short", "no token but a sentence", "x" * 16 + "\r\na: b"]
)
def test_a_file_without_a_token_lets_nobody_in(tmp_path: Path, kept: str) -> None:
    (tmp_path / "token").write_text(kept)
    with pytest.raises(ValueError, match="holds no token"):
        token_of(Settings(data_dir=tmp_path))
    with pytest.raises(up.StartError, match="holds no token"):
        up.environment(Settings(data_dir=tmp_path), tmp_path)
    assert (tmp_path / "token").read_text() == kept.replace("\r\n", "\n")
