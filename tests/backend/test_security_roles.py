"""Every route without a token, with a wrong one, and with one of each role."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from backend import __main__ as command
from backend.access import Role, digest, made
from backend.auth import COOKIE, Gate
from backend.queue import Queue
from backend.store import tokens
from backend.store.engine import Store
from tests.backend.live import serving, watching
from tests.backend.parts import AUTH, TOKEN, train
from worker.contract.settings import Settings

OPEN = {"/healthz", "/api/v1/healthz"}
READ = """/catalog /workers /session /healthz /readyz /metrics /docs /openapi.json /me /jobs
    /jobs/{id} /jobs/{id}/measurements /jobs/{id}/artifacts /artifacts/{id} /overlay /events
    /jobs/{id}/export /operator
    /sweeps /sweeps/{id} /papers /papers/claims/{name}/cost"""
SUBMIT = """POST /jobs, POST /estimate, PATCH /jobs/{id}, POST /jobs/{id}/cancel,
    POST /jobs/{id}/resume, POST /jobs/{id}/clone, POST /jobs/{id}/probes, POST /sweeps,
    POST /sweeps/estimate, POST /sweeps/{id}/cancel, POST /import"""
ADMIN = "DELETE /jobs/{id}, GET /audit, GET /tokens"

V1 = "/api/v1"
NEEDED: dict[tuple[str, str], Role] = {
    **{("GET", V1 + path): Role.READ for path in READ.split()},
    **{("GET", f"/{name}"): Role.READ for name in ("healthz", "readyz", "metrics")},
    **{(m, V1 + path): Role.SUBMIT for m, path in (one.split() for one in SUBMIT.split(","))},
    **{(m, V1 + path): Role.ADMIN for m, path in (one.split() for one in ADMIN.split(","))},
}
"""Whoever adds a route says here who may use it."""


def token_of(store: Store, name: str, role: Role) -> str:
    token = made(name)
    with store.write() as connection:
        assert tokens.make(connection, name, str(role), digest(token))
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def routes(gate: Gate) -> set[tuple[str, str]]:
    """Every method and address that the application answers, documented or not."""
    told = gate.app.openapi()["paths"]  # type: ignore[attr-defined]
    found = {(method.upper(), path) for path, calls in told.items() for method in calls}
    for route in gate.app.routes:  # type: ignore[attr-defined]
        for one in (route, *getattr(getattr(route, "original_router", None), "routes", ())):
            if path := getattr(one, "path", None):
                prefix = "" if path.startswith(V1) or isinstance(route, APIRoute) else V1
                found |= {(m, prefix * (one is not route) + path) for m in one.methods or ()}
    return {(method, path) for method, path in found if method not in ("HEAD", "OPTIONS")}


def test_somebody_decided_who_may_use_each_route(gate: Gate) -> None:
    found = routes(gate)
    assert found <= set(NEEDED), found - set(NEEDED)
    assert len(found) >= 30


@pytest.mark.parametrize("what", NEEDED, ids=" ".join)
def test_a_route_asks_for_a_token_and_its_role(
    stranger: TestClient, store: Store, what: tuple[str, str]
) -> None:
    method, path = what
    url = re.sub(r"{\w+}", "a", path) + ("?jobs=a" if path.endswith("/events") else "")
    if path in OPEN:
        assert stranger.request(method, url).status_code == 200
        return
    wrong = (
        {},
        bearer("wrong"),
        bearer(made("reader")),
        {"Cookie": f"{COOKIE}={TOKEN[:-1]}"},
        {"Authorization": f"Basic {TOKEN}"},
    )
    for headers in wrong:
        refused = stranger.request(method, url, headers=headers)
        assert refused.status_code == 401, headers
        assert refused.headers["content-type"] == "application/problem+json"
    for role in Role:
        token = token_of(store, f"a-{role}", role)
        answer = stranger.request(method, url, headers=bearer(token))
        if role < NEEDED[what]:
            assert answer.status_code == answer.json()["status"] == 403, role
            assert f"needs the role {NEEDED[what]}" in answer.json()["detail"]
        else:
            assert answer.status_code not in (401, 403), (role, answer.text)
    assert stranger.request(method, url, headers=AUTH).status_code not in (401, 403)


def test_only_ones_own_labels(stranger: TestClient, store: Store) -> None:
    alice, bob = (bearer(token_of(store, name, Role.SUBMIT)) for name in ("alice", "bob"))
    job = stranger.post(f"{V1}/jobs", json=train(), headers=alice).json()
    assert job["owner"] == "alice"
    url = f"{V1}/jobs/{job['id']}"
    assert stranger.patch(url, json={"name": "mine"}, headers=alice).json()["name"] == "mine"
    refused = stranger.patch(url, json={"name": "no"}, headers=bob)
    assert (refused.status_code, "alice's" in refused.json()["detail"]) == (403, True)
    assert stranger.patch(url, json={"name": "ours"}, headers=AUTH).json()["name"] == "ours"
    assert stranger.get(f"{V1}/me", headers=bob).json() == {"name": "bob", "role": "submit"}


def test_the_command_makes_lists_and_revokes(
    tmp_path: Path,
    stranger: TestClient,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("NORMSCOPE_DATABASE_URL", raising=False)
    make = ["tokens", "make", "--name", "alice", "--role", "read"]
    assert command.main(make) == 0
    token = capsys.readouterr().out.strip()
    assert len(token) > len("alice.") + 42  # 256 bits
    assert stranger.get(f"{V1}/me", headers=bearer(token)).json()["role"] == "read"
    assert command.main(make) == 1
    assert command.main(["tokens", "make", "--name", "Al ice", "--role", "read"]) == 1
    assert command.main(["tokens", "make", "--name", "installation", "--role", "read"]) == 1
    assert command.main(["tokens", "list"]) == 0
    listed = capsys.readouterr().out
    assert "alice" in listed
    assert "read" in listed
    assert token.partition(".")[2] not in listed
    with store.read() as connection:
        kept = str(tokens.listing(connection))
    assert token.partition(".")[2] not in kept
    assert command.main(["tokens", "revoke", "--name", "alice"]) == 0
    assert command.main(["tokens", "revoke", "--name", "alice"]) == 1
    shut_out(stranger, token)
    capsys.readouterr()
    assert command.main(make) == 0
    again = capsys.readouterr().out.strip()
    assert stranger.get(f"{V1}/me", headers=bearer(again)).status_code == 200
    assert stranger.get(f"{V1}/me", headers=bearer(token)).status_code == 401


def shut_out(stranger: TestClient, token: str) -> None:
    end = time.monotonic() + 60
    while stranger.get(f"{V1}/me", headers=bearer(token)).status_code != 401:
        assert time.monotonic() < end, "a revoked token still opens"
        time.sleep(0.05)


def test_an_open_stream_ends_when_its_token_is_revoked(
    settings: Settings, store: Store, queue: Queue
) -> None:
    token = token_of(store, "watcher", Role.READ)
    with serving(settings, store, queue) as url:
        with watching(url, **bearer(token)) as messages:
            with store.write() as connection:
                assert tokens.revoke(connection, "watcher")
            assert list(messages) == []
        assert httpx.get(f"{url}/me", headers=bearer(token)).status_code == 401


def test_a_role_that_is_taken_away_ends_too(stranger: TestClient, store: Store) -> None:
    token = token_of(store, "carol", Role.ADMIN)
    assert stranger.delete(f"{V1}/jobs/a", headers=bearer(token)).status_code == 404
    with store.write() as connection:
        assert tokens.revoke(connection, "carol")
    shut_out(stranger, token)
    assert stranger.delete(f"{V1}/jobs/a", headers=bearer(token)).status_code == 401
