"""The audit log says who did what to which job, and holds no secret; neither does any log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.access import Role
from backend.app import create_app
from backend.queue import Queue
from backend.store.engine import Store
from tests.backend.parts import AUTH, TOKEN, catalogue, train
from tests.backend.test_security_roles import bearer, token_of
from worker.contract.settings import Settings


@pytest.fixture
def stranger(settings: Settings, store: Store, queue: Queue) -> Iterator[TestClient]:
    app = create_app(settings, store, queue, catalogue(), TOKEN)
    with TestClient(
        app, base_url="http://127.0.0.1/api/v1", raise_server_exceptions=False
    ) as client:
        yield client


def audit(client: TestClient, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/audit", params=query, headers=AUTH)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def test_every_change_is_noted_and_every_refusal(stranger: TestClient, store: Store) -> None:
    alice = bearer(token_of(store, "alice", Role.SUBMIT))
    job = stranger.post("/jobs", json=train(), headers=alice).json()["id"]
    stranger.post(f"/jobs/{job}/cancel", headers=alice)
    stranger.delete(f"/jobs/{job}", headers=alice)
    stranger.post("/jobs", json={}, headers=alice)
    stranger.delete(f"/jobs/{job}", headers=AUTH)
    told = [(e["who"], e["role"], e["what"], e["job"], e["outcome"]) for e in audit(stranger)]
    assert told == [
        ("installation", "admin", f"DELETE /api/v1/jobs/{job}", job, 204),
        ("alice", "submit", "POST /api/v1/jobs", None, 422),
        ("alice", "submit", f"DELETE /api/v1/jobs/{job}", job, 403),
        ("alice", "submit", f"POST /api/v1/jobs/{job}/cancel", job, 202),
        ("alice", "submit", "POST /api/v1/jobs", job, 201),
    ]
    assert {e["what"].split()[0] for e in audit(stranger, job=job)} == {"POST", "DELETE"}
    assert {e["who"] for e in audit(stranger, who="installation")} == {"installation"}


def test_questions_and_strangers_leave_no_trace(stranger: TestClient, store: Store) -> None:
    for headers in ({}, bearer("wrong"), AUTH):
        stranger.post("/estimate", json=train(), headers=headers)
        stranger.get("/jobs", headers=headers)
    stranger.post("/jobs", json=train())
    assert audit(stranger) == []


def test_it_is_read_a_page_at_a_time(stranger: TestClient) -> None:
    jobs = [stranger.post("/jobs", json=train(), headers=AUTH).json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2", **({"cursor": cursor} if cursor else {})}
        page = stranger.get("/audit", params=query, headers=AUTH).json()
        seen += [entry["job"] for entry in page["items"]]
        cursor = page["next"]
    assert (seen, cursor) == (jobs[::-1], None)
    assert stranger.get("/audit?cursor=x", headers=AUTH).status_code == 422


def test_no_secret_is_noted_or_logged(
    stranger: TestClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx2")  # the caller's own
    token = token_of(store, "alice", Role.SUBMIT)
    secret = token.partition(".")[2]
    for path in ("/jobs", f"/jobs?token={token}", "/jobs/a/cancel"):
        for carried in (bearer(token), {"Cookie": f"normscope_token={token}"}, bearer("x" + token)):
            stranger.post(path, json={**train(), "name": 5}, headers=carried)
            stranger.get(path, headers=carried)
    assert len(audit(stranger)) > 0
    database = store.engine.url.database
    assert database is not None
    kept = Path(database).read_bytes() + Path(f"{database}-wal").read_bytes()
    assert b"alice" in kept
    for one in (secret, TOKEN):
        assert one not in caplog.text
        assert one.encode() not in kept
        assert one not in str(audit(stranger))
