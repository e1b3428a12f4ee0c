"""A real Celery worker: once, cancelled, killed, lost, revoked, failed, shown."""

from __future__ import annotations

import os
import signal

import pytest

from tests.worker.desk import LONG, Desk, until
from worker.contract import wire

pytestmark = pytest.mark.xdist_group("desk")


def types(events: list[dict[str, object]]) -> list[object]:
    return [event["type"] for event in events]


def test_a_job_delivered_twice_runs_once(desk: Desk) -> None:
    job = desk.send()
    desk.deliver(job)
    kinds = types(desk.finish(job))
    assert (kinds[0], kinds[1], kinds[-1]) == ("started", "measured", "finished")
    desk.deliver(job)
    desk.finish(desk.send(), 120)
    assert types(desk.events(job)).count("started") == 1
    assert not desk.client.exists(wire.lease_key(job))


def test_a_process_that_replaces_a_killed_one_takes_the_next_job(desk: Desk) -> None:
    old = desk.card().pid
    os.kill(old, signal.SIGKILL)
    states: list[str] = []

    def ready() -> bool:
        states.extend(card.state for card in desk.cards() if card.pid != old)
        return "idle" in states

    until(ready, 60, "no new process came")
    assert states[0] == "starting"
    desk.finish(desk.send(), 120)


def test_a_cancelled_job_stops_long_before_its_end(desk: Desk) -> None:
    job = desk.send(LONG)
    desk.running(job)
    desk.client.set(wire.cancel_key(job), 1)
    events = desk.finish(job)
    assert events[-1]["state"] == "cancelled"


def test_a_job_cancelled_before_it_starts_tells_nothing(desk: Desk) -> None:
    blocker = desk.send(epochs=20)
    job = desk.send()
    desk.client.set(wire.cancel_key(job), 1)
    desk.finish(blocker)
    desk.finish(desk.send(), 120)
    assert desk.events(job) == []


def test_a_killed_process_frees_its_job_at_once_and_the_next_job_runs(desk: Desk) -> None:
    job = desk.send(LONG)
    desk.running(job)
    card = desk.card()
    os.kill(card.pid, signal.SIGKILL)
    until(lambda: not desk.client.exists(wire.lease_key(job)), 8, "the lease is still held")
    (rung,) = [bell for bell in desk.rung() if bell.get("job") == job and "lost" in bell]
    assert rung["lost"] == "1"
    assert rung["reason"] == "Worker exited prematurely: signal 9 (SIGKILL)"
    assert not desk.client.exists(wire.worker_key(card.name))
    assert types(desk.finish(desk.send(), 120))[-1] == "finished"
    assert not desk.is_done(job)


def test_a_message_that_names_no_job_is_nobodys_loss(desk: Desk) -> None:
    desk.app.send_task(wire.TASKS["train"], [], queue=wire.QUEUE)
    assert types(desk.finish(desk.send(), 120))[-1] == "finished"


def test_a_lost_lease_is_abandoned_without_a_word(desk: Desk) -> None:
    job = desk.send(LONG)
    desk.running(job)
    desk.client.set(wire.lease_key(job), "2:another")
    until(lambda: desk.card().job is None, wire.RENEW_S + 60, "still runs")
    assert "finished" not in types(desk.events(job))
    assert not desk.is_done(job)
    assert desk.client.get(wire.lease_key(job)) == "2:another"


def test_a_revoked_job_is_handed_back_at_once(desk: Desk) -> None:
    job = desk.send(LONG)
    desk.running(job)
    desk.app.control.revoke(desk.task_ids[job], terminate=True, signal="SIGTERM")
    until(lambda: not desk.client.exists(wire.lease_key(job)), 8, "the lease is still held")
    assert {"job": job, "handed_back": "1"} in desk.rung()
    assert "finished" not in types(desk.events(job))
    assert not desk.is_done(job)


def test_an_error_is_told_and_ends_the_job(desk: Desk) -> None:
    (event,) = desk.finish(desk.send(model={"name": "no_such_model"}))
    assert (event["type"], event["code"]) == ("failed", "bad_spec")
    assert "no_such_model" in event["message"]


def test_the_card_says_what_the_worker_does(desk: Desk) -> None:
    job = desk.send(LONG)
    desk.running(job)
    until(lambda: desk.card().job == job, 60, "the card says nothing of the job")
    card = desk.card()
    assert card.state == "busy"
    assert card.flops_per_s is not None
    assert card.flops_per_s > 1e8
    assert 0 < desk.client.ttl(wire.worker_key(card.name)) <= wire.WORKER_TTL_S
    desk.client.set(wire.cancel_key(job), 1)
    until(lambda: desk.card().state == "idle", 60, "the card is still busy")


def test_processes_that_share_a_job_end_with_it(desk: Desk) -> None:
    job = desk.send(LONG, processes=2)
    desk.running(job)
    assert any("worker.lab.peer" in process.cmdline() for process in desk.family())
    desk.client.set(wire.cancel_key(job), 1)
    assert desk.finish(job)[-1]["state"] == "cancelled"
    assert not any("worker.lab.peer" in process.cmdline() for process in desk.family())
