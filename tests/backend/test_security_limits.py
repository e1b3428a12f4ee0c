"""What one token may ask for, what a body may weigh, what every answer carries."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from backend.access import Role
from backend.app import create_app
from backend.auth import MOST_BYTES
from backend.errors import Problem
from backend.limits import Buckets
from backend.queue import Queue
from backend.store.engine import Store
from tests.backend.parts import AUTH, TOKEN, catalogue, train
from tests.backend.test_security_roles import bearer, token_of
from tests.broker import ROOT, Broker
from worker.contract.settings import Settings


@contextmanager
def visiting(settings: Settings, store: Store, queue: Queue) -> Iterator[TestClient]:
    app = create_app(settings, store, queue, catalogue(), TOKEN)
    with TestClient(app, base_url="http://127.0.0.1/api/v1") as client:
        yield client


def test_a_bucket_empties_and_fills_again() -> None:
    clock = [0.0]
    buckets = Buckets(2.0, lambda: clock[0])
    for _ in range(20):
        buckets.take("alice")
    with pytest.raises(Problem, match="2 times a second") as refused:
        buckets.take("alice")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    buckets.take("bob")
    clock[0] = 0.5
    buckets.take("alice")
    with pytest.raises(Problem):
        buckets.take("alice")
    clock[0] = 1e6
    for _ in range(20):
        buckets.take("alice")
    with pytest.raises(Problem):
        buckets.take("alice")


def test_a_slow_bucket_says_how_long_to_wait() -> None:
    clock = itertools.repeat(0.0)
    buckets = Buckets(0.01, lambda: next(clock))
    buckets.take("alice")
    with pytest.raises(Problem) as refused:
        buckets.take("alice")
    assert refused.value.headers["Retry-After"] == "100"


def test_one_token_asks_too_often_and_others_go_on(
    tmp_path: Path, store: Store, queue: Queue
) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=queue.url, rate_limit=0.1)
    alice = bearer(token_of(store, "alice", Role.READ))
    with visiting(settings, store, queue) as client:
        began = time.monotonic()
        assert client.get("/me", headers=alice).status_code == 200
        refused = client.get("/me", headers=alice)
        passed = time.monotonic() - began
        assert refused.status_code == 429
        assert math.ceil(10 - passed) <= int(refused.headers["retry-after"]) <= 10
        assert refused.headers["content-type"] == "application/problem+json"
        assert client.get("/me", headers=AUTH).status_code == 200
        assert client.get("/healthz").status_code == 200


def test_a_token_may_not_fill_the_queue_with_work(
    tmp_path: Path, store: Store, queue: Queue
) -> None:
    with visiting(Settings(data_dir=tmp_path, redis_url=queue.url), store, queue) as client:
        one = client.post("/estimate", json=train(), headers=AUTH).json()["seconds"]
    settings = Settings(data_dir=tmp_path, redis_url=queue.url, token_cost_limit_s=2.5 * one)
    alice, bob = (bearer(token_of(store, name, Role.SUBMIT)) for name in ("alice", "bob"))
    sweep = {"base": train(), "seeds": [1, 2, 3]}
    with visiting(settings, store, queue) as client:
        refused = client.post("/sweeps", json=sweep, headers=alice)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        jobs = [client.post("/jobs", json=train(), headers=alice) for _ in range(3)]
        assert [job.status_code for job in jobs] == [201, 201, 429]
        assert "alice" in jobs[2].json()["detail"]
        assert client.post("/jobs", json=train(), headers=bob).status_code == 201
        assert client.post("/sweeps", json=sweep, headers=AUTH).status_code == 201
        first = jobs[0].json()["id"]
        assert client.post(f"/jobs/{first}/cancel", headers=alice).json()["state"] == "cancelled"
        assert client.post("/jobs", json=train(), headers=alice).status_code == 201
        assert client.post(f"/jobs/{first}/resume", headers=alice).status_code == 429


def test_a_body_is_bounded_whatever_it_announces(
    settings: Settings, store: Store, queue: Queue
) -> None:
    with visiting(settings, store, queue) as client:
        for length in (str(MOST_BYTES + 1), "9" * 30, "-1", "x"):
            told = {**AUTH, "Content-Length": length, "Content-Type": "application/json"}
            assert client.post("/jobs", headers=told, content=b"{}").status_code == 413, length
        chunks = (b" " * 2**16 for _ in range(17))
        assert client.post("/jobs", headers=AUTH, content=chunks).status_code == 413


def test_every_answer_carries_the_headers(settings: Settings, store: Store, queue: Queue) -> None:
    with visiting(settings, store, queue) as client:
        asked = [client.get(path, headers=AUTH) for path in ("/jobs", "/docs", "/nope", "/healthz")]
        asked += [client.get("/jobs"), client.get("/jobs", headers={**AUTH, "Host": "evil"})]
        assert [answer.status_code for answer in asked] == [200, 200, 404, 200, 401, 421]
        for answer in asked:
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "script" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == "no-store"
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
@pytest.mark.parametrize("program", ["backend.api", "backend.local.up"])
def test_nothing_listens_beyond_this_machine_without_a_token(
    tmp_path: Path, broker: Broker, program: str, host: str
) -> None:
    env = {**broker.env, "NORMSCOPE_DATA_DIR": str(tmp_path), "NORMSCOPE_HOST": host}
    done = subprocess.run(
        [sys.executable, "-m", program], cwd=ROOT, env=env, capture_output=True, timeout=120
    )
    assert done.returncode == 1
    assert b"NORMSCOPE_TOKEN must be set" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_no_store_holds(settings: Settings, store: Store, queue: Queue) -> None:
    """The fuzzer found that a swept field's own value went unread, and into the store."""
    sweep = {"base": train(seed=10**30), "seeds": [1]}
    with visiting(settings, store, queue) as client:
        for body in (sweep, {"base": train(), "grid": {"spec.seed": [10**30]}}):
            assert client.post("/sweeps", json=body, headers=AUTH).status_code == 422
