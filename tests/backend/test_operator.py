"""What the operator's page stands on."""

from __future__ import annotations

from starlette.testclient import TestClient

from backend.access import Role
from backend.queue import Queue
from backend.store.engine import Store
from tests.backend.parts import AUTH, calling
from tests.backend.populated import TENSORS, populate
from tests.backend.test_security_roles import bearer, token_of
from tests.broker import free_port
from worker.contract.settings import Settings


def test_how_an_installation_is(client: TestClient, store: Store, settings: Settings) -> None:
    populate(store, settings.data_dir)
    seen = client.get("/operator").json()
    assert (seen["jobs"]["queued"], seen["jobs"]["succeeded"]) == (1, 1)
    assert seen["queued_s"] > 0
    assert (seen["database"], seen["artifact_bytes"]) == ("sqlite", len(TENSORS))
    assert 0 < seen["database_bytes"] < seen["disk_free_bytes"] <= seen["disk_bytes"]
    assert seen["broker"]["workers"] == []
    assert seen["broker"]["step_s"] == {"train": None, "attack": None, "diagnose": None}


def test_it_is_told_without_a_broker_too(store: Store, settings: Settings) -> None:
    away = Queue(f"redis://127.0.0.1:{free_port()}/0")
    with calling(settings, store, away) as client:
        seen = client.get("/operator")
    away.close()
    assert (seen.status_code, seen.json()["broker"]) == (200, None)


def test_tokens_by_name_and_role_and_no_secret(stranger: TestClient, store: Store) -> None:
    token = token_of(store, "alice", Role.SUBMIT)
    answer = stranger.get("/api/v1/tokens", headers=AUTH)
    own, alice = answer.json()["items"]
    assert (own["name"], own["role"], own["made_at"]) == ("installation", "admin", None)
    assert (alice["name"], alice["role"], alice["revoked_at"]) == ("alice", "submit", None)
    assert alice["made_at"] is not None
    assert set(alice) == {"name", "role", "made_at", "revoked_at"}
    assert token.partition(".")[2] not in answer.text
    assert stranger.get("/api/v1/tokens", headers=bearer(token)).status_code == 403
