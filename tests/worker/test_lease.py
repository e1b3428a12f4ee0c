"""The lease at a real broker: one holder, fenced by attempt, free when it lapses."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest
import redis

from tests.worker.desk import until
from worker.burial import MISSED_MS, orphans
from worker.contract import wire
from worker.lease import Lease
from worker.presence import name_of

numbers = itertools.count(1)


@pytest.fixture
def job(client: redis.Redis) -> str:
    job = f"leased{next(numbers)}"
    ticket(client, job, 1)
    return job


def ticket(client: redis.Redis, job: str, attempt: int) -> None:
    text = wire.Ticket(job=job, kind="train", attempt=attempt, spec={}).model_dump_json()
    client.set(wire.ticket_key(job), text)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that lapse in 300 ms and are renewed every 50."""
    monkeypatch.setattr("worker.contract.wire.LEASE_MS", 300)
    monkeypatch.setattr("worker.contract.wire.RENEW_S", 0.05)


def test_one_of_two_takes_it(client: redis.Redis, job: str) -> None:
    first, second = (Lease(client, job, 1, name) for name in ("a", "b"))
    assert first.take()
    assert not second.take()
    assert client.get(wire.lease_key(job)) == b"1:a"
    assert 0 < client.pttl(wire.lease_key(job)) <= wire.LEASE_MS
    first.close()


@pytest.mark.parametrize("why", ["done", "cancelled", "older", "no ticket"])
def test_is_refused(client: redis.Redis, job: str, why: str) -> None:
    match why:
        case "done":
            client.set(wire.done_key(job), 1)
        case "cancelled":
            client.set(wire.cancel_key(job), 1)
        case "older":
            ticket(client, job, 2)
        case "no ticket":
            client.delete(wire.ticket_key(job))
    assert not Lease(client, job, 1, "a").take()
    assert not client.exists(wire.lease_key(job))


def test_an_attempt_is_begun_once(client: redis.Redis, job: str) -> None:
    """A message delivered twice, the second time after the first worker died."""
    first = Lease(client, job, 1, "a")
    assert first.take()
    first.close()
    client.delete(wire.lease_key(job))
    assert not Lease(client, job, 1, "b").take()
    ticket(client, job, 2)
    later = Lease(client, job, 2, "b")
    assert later.take()
    later.close()


def test_the_jobs_of_processes_that_are_no_more_are_found(client: redis.Redis, job: str) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    def hold(worker: str, left_ms: float) -> list[tuple[str, int]]:
        client.set(wire.lease_key(job), wire.lease_value(1, worker), px=int(left_ms))
        return [found for found in orphans(client) if found[0] == job]

    assert hold(name_of(gone.pid), MISSED_MS - 100) == [(job, gone.pid)]
    assert hold(name_of(gone.pid), wire.LEASE_MS) == [], "it was just renewed"
    assert hold(name_of(os.getpid()), MISSED_MS - 100) == []
    assert hold(f"another-{gone.pid}", MISSED_MS - 100) == []
    client.delete(wire.lease_key(job))


def test_a_later_attempt_may_run_a_job_whose_earlier_one_ended(
    client: redis.Redis, job: str
) -> None:
    client.set(wire.done_key(job), 1)
    ticket(client, job, 2)
    lease = Lease(client, job, 2, "a")
    assert lease.take()
    lease.close()


@pytest.mark.usefixtures("quick")
def test_lasts_while_it_is_renewed_and_lapses_after(client: redis.Redis, job: str) -> None:
    lease = Lease(client, job, 1, "a")
    assert lease.take()
    with pytest.raises(AssertionError, match="lapsed"):
        until(lambda: not client.exists(lease.key), 0.6, "lapsed")
    lease.close()
    until(lambda: not client.exists(lease.key), 0.6, "still held")
    assert not lease.lost


@pytest.mark.usefixtures("quick")
def test_is_lost_to_a_newer_ticket_but_not_to_an_outage(client: redis.Redis, job: str) -> None:
    lease = Lease(client, job, 1, "a")
    assert lease.take()
    client.delete(lease.key)
    until(lambda: client.exists(lease.key), 1, "not taken again")
    assert not lease.lost
    ticket(client, job, 2)
    until(lambda: lease.lost, 1, "not lost")


def test_ends_and_hands_back_only_what_it_holds(client: redis.Redis, job: str) -> None:
    for end in (Lease.end, Lease.hand_back):
        mine, other = Lease(client, job, 1, "a"), Lease(client, job, 1, "b")
        client.set(mine.key, mine.value)
        rung = client.xlen(wire.BELL)
        for lease, kept in ((other, True), (mine, False)):
            with client.pipeline() as pipe:
                end(lease, pipe)
                pipe.execute()
            assert bool(client.exists(mine.key)) == kept
        assert client.xlen(wire.BELL) - rung == (end is Lease.hand_back)


def test_what_a_failed_device_loses_is_told_with_the_reason(client: redis.Redis, job: str) -> None:
    lease = Lease(client, job, 1, "a")
    assert lease.take()
    lease.close()
    with client.pipeline() as pipe:
        lease.lose("an illegal memory access was encountered", pipe)
        pipe.execute()
    assert not client.exists(wire.lease_key(job))
    (_, rung), *_ = client.xrevrange(wire.BELL, count=1)
    assert {name.decode(): value.decode() for name, value in rung.items()} == {
        "job": job,
        "lost": "1",
        "reason": "an illegal memory access was encountered",
    }
