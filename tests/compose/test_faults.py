"""Containers that die, freeze, stop or lose their network under a job: nothing lost or doubled."""

from __future__ import annotations

import httpx
import pytest

from tests.compose.jobs import (
    EVERY,
    after,
    cancelled,
    job_of,
    measured,
    second,
    step,
    trained,
    until,
    working,
)
from tests.compose.stack import Stack

pytestmark = pytest.mark.compose

LASTS_S = 8  # less than a lease does: the attempt stays the same


@pytest.mark.parametrize("service", ["redis", "database", "api", "recorder", "desk", "web"])
def test_a_killed_service_comes_back_and_the_job_loses_nothing(
    stack: Stack, client: httpx.Client, service: str
) -> None:
    job = working(client)
    (container,) = stack.containers(service)
    restarts = stack.inspect(container)["RestartCount"]
    stack.crash(service)
    until(lambda: stack.again(service, restarts + 1), f"{service} does not come back")
    goes_on_whole(client, job)


@pytest.mark.parametrize("fault", ["stopped", "frozen", "unplugged"])
@pytest.mark.parametrize("server", ["redis", "database"])
def test_a_server_that_is_away_for_a_while_costs_nothing(
    stack: Stack, client: httpx.Client, server: str, fault: str
) -> None:
    job = working(client)
    strike, mend = {
        "stopped": (stack.stop, stack.start),
        "frozen": (stack.pause, stack.unpause),
        "unplugged": (stack.unplug, stack.plug),
    }[fault]
    strike(server)
    after(LASTS_S)
    mend(server)
    goes_on_whole(client, job)


def goes_on_whole(client: httpx.Client, job: str) -> None:
    """Cancels it; AssertionError where a measurement is missing or is there twice."""
    at = until(lambda: job_of(client, job), "the API stays away")
    assert (at["state"], at["attempt"]) == ("running", 1)
    far = step(client, job) + 20 * EVERY
    until(lambda: step(client, job) >= far, "the curve does not go on")
    cancelled(client, job)
    told = [at for at in measured(client, job) if at % EVERY == 0]  # the last may lie between
    assert told == list(range(0, told[-1] + 1, EVERY))
    assert told[-1] >= far
    trained(client)


def test_a_killed_workers_job_goes_on_from_its_checkpoint(
    stack: Stack, client: httpx.Client
) -> None:
    job = working(client)
    after(20)  # a run keeps what it remembers every 15 s
    stack.crash("worker")
    again = until(lambda: second(client, job), "it never ran again", 300)
    assert again["info"]["resumed_at"] > 0
    until(lambda: stack.again("worker", 1), "the worker does not come back")
    cancelled(client, job)
