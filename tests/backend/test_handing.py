"""Who is next: by priority, by fair share between tokens, by age; and that none is lost."""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import Connection, text
from starlette.testclient import TestClient

from backend.access import Role
from backend.handing import AHEAD, hand_out
from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import jobs, waiting
from backend.store.engine import Store
from tests.backend.live import put
from tests.backend.parts import AUTH, train
from tests.backend.populated import write
from tests.backend.test_security_roles import bearer, token_of
from tests.backend.test_store import new_job
from tests.e2e.explorer import until
from worker.contract import wire
from worker.contract.events import Teller

V1 = "/api/v1"


def working(queue: Queue, count: int, device: str = "cpu", **more: Any) -> None:
    """So many workers show their cards."""
    now = time.time()
    for n in range(count):
        told = {"name": f"{device}{n}", "pid": 1, "host": "h", "device": device, "kind": device}
        card = wire.WorkerCard(**{**told, "state": "idle", "since": now, "seen": now, **more})
        queue.redis.set(wire.worker_key(card.name), card.model_dump_json())


def handed(store: Store) -> list[str]:
    """The waiting jobs that the broker has, in the order in which they were handed to it."""
    with store.read() as connection:
        ask = "SELECT id FROM job WHERE state = 'queued' AND handed ORDER BY sent_at"
        return list(connection.execute(text(ask)).scalars())


def first(connection: Connection) -> jobs.Row | None:
    return waiting.first(connection, "any")


def begin(store: Store, job: str, device: str = "cpu") -> Teller:
    tell = Teller(job, 1)
    write(store, job, tell.started(device, 1, 1.0, ""))
    return tell


def finish(store: Store, job: str) -> None:
    write(store, job, begin(store, job).finished(1))


def order(store: Store, queue: Queue) -> list[str]:
    """The jobs as one worker would begin them."""
    found: list[str] = []
    hand_out(store, queue)
    while there := handed(store):
        found.append(there[0])
        finish(store, there[0])
        hand_out(store, queue)
    return found


def place(store: Store, *names: str, **more: object) -> None:
    """Jobs that wait, one after the other."""
    with store.write() as connection:
        for name in names:
            jobs.add(connection, {**new_job(name), **more})


def test_the_broker_has_as_many_as_workers_can_take(store: Store, queue: Queue) -> None:
    place(store, *"abcdefgh")
    hand_out(store, queue)
    assert len(handed(store)) == queue.waiting() == AHEAD
    working(queue, 3)
    for _ in range(2):
        hand_out(store, queue)
    assert handed(store) == list("abcd")
    assert queue.waiting() == 3 + AHEAD
    finish(store, "b")
    hand_out(store, queue)
    assert handed(store) == list("acde")


def test_higher_priorities_go_first(store: Store, queue: Queue) -> None:
    place(store, "first")
    hand_out(store, queue)
    for name, priority in (("low", 0), ("normal", 1), ("high", 2), ("higher", 2)):
        place(store, name, priority=priority)
    assert order(store, queue) == ["first", "high", "higher", "normal", "low"]


def test_tokens_share_the_workers(store: Store, queue: Queue) -> None:
    """Whoever came first with many does not keep others waiting until all of his are done."""
    working(queue, 3)
    place(store, *(f"a{n}" for n in range(8)), owner="alice")
    hand_out(store, queue)
    place(store, "b0", "b1", owner="bob")
    place(store, "c0", owner="carol")
    assert handed(store) == ["a0", "a1", "a2", "a3"]
    begun = []
    for name in ("a0", "a1", "a2", "a3"):
        before = set(handed(store))
        finish(store, name)
        hand_out(store, queue)
        begun += [name for name in handed(store) if name not in before]
    assert begun == ["b0", "c0", "a4", "a5"], "then all have one, and age decides"


def test_within_a_token_priority_counts_and_then_age(store: Store, queue: Queue) -> None:
    place(store, "a1", owner="alice")
    place(store, "a0", owner="alice", priority=0)
    place(store, "a2", owner="alice", priority=2)
    place(store, "a3", owner="alice")
    assert order(store, queue) == ["a2", "a1", "a3", "a0"]


def test_what_ends_makes_room_at_once(store: Store, queue: Queue) -> None:
    place(store, "a", "b")
    recorder = Recorder(store, queue)
    until(lambda: recorder.turn(1) or handed(store) == ["a"], 60, "nothing is handed out")
    tell = Teller("a", 1)
    queue.redis.xadd(wire.BELL, {"job": "a"})
    put(queue, "a", tell.started("cpu", 1, 1.0, ""), tell.finished(1))
    until(lambda: recorder.turn(1) or handed(store) == ["b"], 60, "the next one waits for ever")


def test_each_job_is_handed_out_once_whoever_does_it(any_store: Store, queue: Queue) -> None:
    working(queue, 40)
    place(any_store, *(f"j{n:02}" for n in range(60)))
    threads = [threading.Thread(target=hand_out, args=(any_store, queue)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with any_store.read() as connection:
        assert waiting.at_broker(connection, "any") == queue.waiting() >= 41


def test_a_broker_that_lost_all_gets_what_it_had_and_no_more(store: Store, queue: Queue) -> None:
    working(queue, 1)
    place(store, *"abcd")
    hand_out(store, queue)
    assert handed(store) == ["a", "b"]
    queue.redis.flushall()
    working(queue, 1)
    recorder = Recorder(store, queue, resend_s=0.1)
    until(lambda: recorder.turn(20) or queue.waiting() == 2, 60, "they are not sent again")
    assert sorted(handed(store)) == ["a", "b"]
    assert {queue.redis.exists(wire.ticket_key(job)) for job in "ab"} == {1}
    assert {queue.redis.exists(wire.ticket_key(job)) for job in "cd"} == {0}


def test_what_is_cancelled_while_it_waits_is_never_handed_out(
    client: TestClient, store: Store, queue: Queue
) -> None:
    first, second, third = (client.post("/jobs", json=train()).json()["id"] for _ in range(3))
    assert handed(store) == [first]
    assert client.post(f"/jobs/{second}/cancel").json()["state"] == "cancelled"
    assert order(store, queue) == [first, third]
    assert not queue.redis.exists(wire.ticket_key(second))
    assert client.post(f"/jobs/{second}/resume").status_code == 202
    assert handed(store) == [second]


def test_only_an_admin_goes_before_everybody(stranger: TestClient, store: Store) -> None:
    alice = bearer(token_of(store, "alice", Role.SUBMIT))
    high = {**train(), "priority": "high"}
    for path, body in (("/jobs", high), ("/sweeps", {"base": high, "seeds": [1, 2]})):
        refused = stranger.post(V1 + path, json=body, headers=alice)
        assert (refused.status_code, "priority" in refused.json()["detail"]) == (403, True)
    low = stranger.post(f"{V1}/jobs", json={**train(), "priority": "low"}, headers=alice)
    assert low.json()["priority"] == "low"
    assert stranger.post(f"{V1}/jobs", json=train(), headers=alice).json()["priority"] == "normal"
    assert stranger.post(f"{V1}/jobs", json=high, headers=AUTH).json()["priority"] == "high"
    wrong = stranger.post(f"{V1}/jobs", json={**train(), "priority": 3}, headers=AUTH)
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "priority")


def test_in_a_long_queue_all_tokens_have_their_turn(any_store: Store) -> None:
    with any_store.write() as connection:
        for n in range(2000):
            jobs.add(connection, {**new_job(f"{n}"), "owner": f"o{n % 7}", "priority": n % 2})
        taken = [waiting.hand(connection, row) for _ in range(14) if (row := first(connection))]
    owners = sorted(row["owner"] for row in taken if row)
    assert owners == sorted(f"o{n % 7}" for n in range(14))
    assert {row["priority"] for row in taken if row} == {1}


GPU = {"spec": {"device": "cuda"}}
LONG, SHORT = {"estimate": {"seconds": 3600.0}}, {"estimate": {"seconds": 3.0}}


def test_a_job_that_needs_a_gpu_waits_for_one_and_holds_nobody_up(
    store: Store, queue: Queue
) -> None:
    working(queue, 1)
    place(store, "g0", "g1", "g2", **GPU)
    place(store, "a")
    hand_out(store, queue)
    assert handed(store) == ["a"]
    working(queue, 1, "cuda", state="lost")
    hand_out(store, queue)
    assert handed(store) == ["a"], "a worker that lost its GPU is none"
    working(queue, 1, "cuda")
    hand_out(store, queue)
    assert set(handed(store)) == {"a", "g0", "g1"}
    assert (queue.waiting("any"), queue.waiting("cuda")) == (1, 1 + AHEAD)
    begin(store, "g0", "cuda (a card)")
    hand_out(store, queue)
    assert set(handed(store)) == {"a", "g1"}


def test_a_short_job_passes_long_ones(store: Store, queue: Queue) -> None:
    working(queue, 1)
    place(store, "l0", "l1", **LONG)
    hand_out(store, queue)
    assert handed(store) == ["l0"], "a long one goes only where a worker is free for it"
    told = begin(store, "l0")
    hand_out(store, queue)
    assert handed(store) == []
    place(store, "s0", "s1", **SHORT)
    hand_out(store, queue)
    assert handed(store) == ["s0"]
    write(store, "l0", told.finished(1))
    assert order(store, queue) == ["s0", "s1", "l1"]


def test_a_long_job_that_waited_long_enough_is_passed_no_more(store: Store, queue: Queue) -> None:
    working(queue, 1)
    place(store, "l", **LONG, sent_at=time.time() - waiting.PATIENCE_S - 1)
    place(store, "s", **SHORT)
    assert order(store, queue) == ["l", "s"]


def test_no_short_job_of_lower_priority_passes(store: Store, queue: Queue) -> None:
    working(queue, 1)
    place(store, "running")
    hand_out(store, queue)
    told = begin(store, "running")
    place(store, "high", **LONG, priority=2)
    place(store, "s", **SHORT)
    hand_out(store, queue)
    assert handed(store) == []
    write(store, "running", told.finished(1))
    assert order(store, queue) == ["high", "s"]


def test_a_lost_message_is_sent_again_though_others_wait_for_a_gpu(
    store: Store, queue: Queue
) -> None:
    working(queue, 1, "cuda")
    place(store, "g", **GPU)
    place(store, "a")
    hand_out(store, queue)
    queue.redis.delete(wire.QUEUE)
    recorder = Recorder(store, queue, resend_s=0.1)
    until(lambda: recorder.turn(20) or queue.waiting("any") == 1, 60, "it is not sent again")
    assert queue.waiting("cuda") == 1
