"""The composed explorer through its published port: it works, it is closed, it scales."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.compose.jobs import (
    LONG,
    attacked,
    finished,
    job_of,
    launched,
    post,
    trained,
    until,
)
from tests.compose.stack import SERVICES, Stack, said

pytestmark = pytest.mark.compose

MB = 10**6


def test_it_trains_attacks_and_answers(client: httpx.Client) -> None:
    network = trained(client)
    attacked(client, network)
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


@pytest.mark.parametrize(("service", "torch"), [("api", False), ("web", False), ("worker", True)])
def test_an_image_says_what_it_holds(stack: Stack, service: str, torch: bool) -> None:
    bill = json.loads(stack.compose("exec", "-T", service, "cat", "/opt/venv/sbom.json"))
    assert bill["bomFormat"] == "CycloneDX"
    held = {one["name"]: one["version"] for one in bill["components"]}
    assert ("torch" in held) is torch
    listed = json.loads(stack.compose("exec", "-T", service, "pip", "list", "--format", "json"))
    assert held == {one["name"]: one["version"] for one in listed}
    (container,) = stack.containers(service)
    labels = stack.inspect(container)["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "Normscope"


@pytest.mark.parametrize("service", ["api", "recorder", "web"])
def test_what_computes_nothing_is_small(stack: Stack, service: str) -> None:
    def size(image: str) -> int:
        return int(said(["docker", "image", "inspect", "-f", "{{.Size}}", image]))

    assert size(f"{stack.name}-{service}") - size("python:3.11-slim-bookworm") < 350 * MB


def test_three_workers_share_the_queue_and_two_hand_theirs_back(
    stack: Stack, client: httpx.Client
) -> None:
    stack.scale(3)
    until(lambda: len(hosts(client)) == 3, "there are not three workers")
    jobs = [launched(client, "train", **LONG) for _ in range(3)]
    runners = until(lambda: runners_of(client, jobs), "the three do not run at once")
    assert len(set(runners)) == 3
    stack.scale(1)
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
    attacked(client, network)
