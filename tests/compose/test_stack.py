"""The composed explorer through its published port: it works, is killed and goes on, scales."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.compose.stack import SERVICES, Stack
from tests.e2e.explorer import ended

pytestmark = pytest.mark.compose

SHORT = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 3}
EVERY = 50
LONG = {**SHORT, "epochs": 100_000, "log_every": EVERY}


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with stack.client() as client:
        yield client


def until(look: Callable[[], Any], otherwise: str, seconds: float = 180) -> Any:
    """The first true answer; while the stack is away, patience."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := look():
                return found
        except (httpx.TransportError, httpx.HTTPStatusError):
            pass
        time.sleep(0.2)
    raise AssertionError(otherwise)


def post(client: httpx.Client, path: str, body: Any = None) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def job_of(client: httpx.Client, id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/jobs/{id}").raise_for_status().json()
    return found


def launched(client: httpx.Client, kind: str, **spec: Any) -> str:
    return str(post(client, "/jobs", {"kind": kind, "spec": spec})["id"])


def finished(client: httpx.Client, id: str) -> dict[str, Any]:
    job: dict[str, Any] = until(lambda: ended(job_of(client, id)), f"{id} did not end")
    return job


def trained(client: httpx.Client) -> str:
    job = finished(client, launched(client, "train", **SHORT))
    assert job["state"] == "succeeded", job
    return str(job["id"])


def step(client: httpx.Client, id: str) -> int:
    return int(job_of(client, id)["progress"]["step"])


def measured(client: httpx.Client, id: str) -> list[int]:
    """The steps of every recorded loss."""
    query = {"name": "train/loss", "format": "csv"}
    text = client.get(f"/jobs/{id}/measurements", params=query).raise_for_status().text
    return [int(row["step"]) for row in csv.DictReader(text.splitlines())]


def working(client: httpx.Client) -> str:
    """A long job that measures."""
    job = launched(client, "train", **LONG)
    until(lambda: step(client, job) > 20 * EVERY, "it never measured")
    return job


def test_it_trains_attacks_and_answers(client: httpx.Client) -> None:
    network = trained(client)
    attack = finished(client, launched(client, "attack", source=network, attacks=[{"name": "pgd"}]))
    assert attack["state"] == "succeeded", attack
    probe = {"probe": {"name": "example", "index": 3}}
    assert "probabilities" in post(client, f"/jobs/{network}/probes", probe)["values"]


def test_a_stranger_is_refused(stack: Stack) -> None:
    url = f"http://127.0.0.1:{stack.port}/api/v1"
    assert httpx.get(f"{url}/jobs").status_code == 401
    wrong = {"Authorization": "Bearer 0123456789abcdef0123"}
    assert httpx.get(f"{url}/jobs", headers=wrong).status_code == 401
    assert httpx.get(f"{url}/jobs", headers={"Host": "elsewhere.example"}).status_code == 421


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_runs_as_root_or_can_change_itself(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    user = ["-u", "postgres"] if service == "database" else []
    status = stack.compose("exec", "-T", *user, service, "cat", "/proc/self/status")
    facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert facts["Uid"].split()[0] != "0"
    assert int(facts["CapEff"], 16) == 0
    assert facts["NoNewPrivs"] == "1"
    assert stack.inspect(container)["HostConfig"]["ReadonlyRootfs"]


@pytest.mark.parametrize("service", ["redis", "database", "api", "recorder", "desk", "web"])
def test_a_killed_service_comes_back_and_the_job_loses_nothing(
    stack: Stack, client: httpx.Client, service: str
) -> None:
    job = working(client)
    stack.crash(service)
    until(lambda: stack.again(service, 1), f"{service} does not come back")
    at = until(lambda: job_of(client, job), "the API stays away")
    assert (at["state"], at["attempt"]) == ("running", 1)
    far = until(lambda: step(client, job), "it tells nothing") + 20 * EVERY
    until(lambda: step(client, job) >= far, "the curve does not go on")
    post(client, f"/jobs/{job}/cancel")
    assert finished(client, job)["state"] == "cancelled"
    told = [at for at in measured(client, job) if at % EVERY == 0]  # the last may lie between
    assert told == list(range(0, told[-1] + 1, EVERY))
    assert told[-1] >= far
    trained(client)


def test_a_killed_workers_job_goes_on_from_its_checkpoint(
    stack: Stack, client: httpx.Client
) -> None:
    job = working(client)
    began = time.monotonic()
    until(lambda: time.monotonic() - began > 20, "")  # a run keeps what it remembers every 15 s
    stack.crash("worker")
    again = until(lambda: second(client, job), "it never ran again", 300)
    assert again["info"]["resumed_at"] > 0
    until(lambda: stack.again("worker", 1), "the worker does not come back")
    post(client, f"/jobs/{job}/cancel")
    assert finished(client, job)["state"] == "cancelled"


def second(client: httpx.Client, job: str) -> dict[str, Any] | None:
    found = job_of(client, job)
    return found if (found["state"], found["attempt"]) == ("running", 2) else None


def test_three_workers_share_the_queue_and_two_hand_theirs_back(
    stack: Stack, client: httpx.Client
) -> None:
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "worker=3", "--wait")
    until(lambda: len(hosts(client)) == 3, "there are not three workers")
    jobs = [launched(client, "train", **LONG) for _ in range(3)]
    runners = until(lambda: runners_of(client, jobs), "the three do not run at once")
    assert len(set(runners)) == 3
    stack.compose("up", "-d", "--no-build", "--no-recreate", "--scale", "worker=1")
    until(lambda: len(hosts(client)) == 1, "two did not take their cards away", 20)
    attempts = until(lambda: handed_back(client, jobs), "two jobs were not handed back")
    assert sorted(attempts) == [1, 2, 2]
    for job in jobs:
        post(client, f"/jobs/{job}/cancel")
    for job in jobs:
        finished(client, job)


def hosts(client: httpx.Client) -> set[str]:
    cards = client.get("/workers").raise_for_status().json()["items"]
    return {card["host"] for card in cards}


def runners_of(client: httpx.Client, jobs: list[str]) -> list[str] | None:
    found = [job_of(client, job) for job in jobs]
    running = all(job["state"] == "running" for job in found)
    return [job["worker"] for job in found] if running else None


def handed_back(client: httpx.Client, jobs: list[str]) -> list[int] | None:
    found = [job_of(client, job)["attempt"] for job in jobs]
    return found if sum(found) == 5 else None


def test_what_was_done_is_there_after_a_new_start(stack: Stack, client: httpx.Client) -> None:
    network = trained(client)
    before = {job["id"] for job in client.get("/jobs").json()["items"]}
    stack.compose("down", "--timeout", "20")
    stack.compose("up", "-d", "--no-build", "--wait")
    assert {job["id"] for job in client.get("/jobs").json()["items"]} == before
    attack = finished(client, launched(client, "attack", source=network, attacks=[{"name": "pgd"}]))
    assert attack["state"] == "succeeded", attack


def test_it_goes_without_a_leftover(stack: Stack) -> None:
    assert stack.left()
    stack.down()
    assert stack.left() == []
