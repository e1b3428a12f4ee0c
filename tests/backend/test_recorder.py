"""The recorder on real streams: idempotent, patient, and what becomes of lost workers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import OutOfMemoryError
from sqlalchemy import update

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import jobs
from backend.store.engine import Store, open_store
from backend.store.tables import job as job_table
from tests.backend.live import put
from tests.backend.test_store import add, read
from tests.broker import ROOT, Broker, running_broker
from worker.contract.events import Teller
from worker.contract.settings import Settings
from worker.contract.wire import (
    BELL,
    QUEUE,
    STATES,
    Ticket,
    begun_key,
    done_key,
    lease_key,
    stream_key,
    ticket_key,
)


def row_of(store: Store, id: str) -> jobs.Row:
    with store.read() as connection:
        row = jobs.get(connection, id)
    assert row is not None
    return row


def begin(queue: Queue, job: str, attempt: int = 1, *, leased: bool = True) -> Teller:
    teller = Teller(job, attempt, "w")
    if leased:
        queue.redis.set(lease_key(job), f"{attempt}:w", px=60_000)
    queue.redis.xadd(BELL, {"job": job})
    put(queue, job, teller.started("cpu", 1000, 10.0, "hash"))
    return teller


def until(check: Callable[[], Any], turn: Callable[[], Any] = lambda: time.sleep(0.02)) -> None:
    deadline = time.monotonic() + 120
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        turn()


def test_it_follows_a_job_from_the_bell_to_the_end(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    teller = begin(queue, "a")
    put(queue, "a", teller.measured(500, 5.0, {"x": 1.0}))
    until(lambda: row_of(store, "a")["step"] == 500, lambda: recorder.turn(1))
    row = row_of(store, "a")
    assert (row["state"], row["worker"], row["steps"]) == ("running", "w", 1000)
    put(queue, "a", teller.failed("diverged", "x became nan at step 501", 501))
    until(lambda: row_of(store, "a")["state"] == "failed", lambda: recorder.turn(1))
    assert row_of(store, "a")["error"]["message"] == "x became nan at step 501"
    assert not queue.redis.exists(ticket_key("a"))
    assert 0 < queue.redis.ttl(stream_key("a")) <= 3600
    assert '"failed"' in queue.redis.xrange(STATES)[-1][1]["job"]


def test_a_full_broker_is_read_out_and_trimmed(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses whatever would take memory; nothing else would ever free any."""
    monkeypatch.setattr("backend.queue.KEEP_RECORDED_MS", -60_000)
    monkeypatch.setattr("backend.recorder.TRIM_S", 0.0)
    add(store, "a")
    recorder, stop = Recorder(store, queue), threading.Event()
    teller = begin(queue, "a")
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    empty = queue.redis.info("memory")["used_memory"]
    for step in range(1, 301):
        put(queue, "a", teller.measured(step, 0.0, {f"x/{n}": float(n) for n in range(500)}))
    queue.redis.config_set("maxmemory", empty + 1_000_000)
    thread = threading.Thread(target=recorder.run, args=(stop,))
    try:
        with pytest.raises(OutOfMemoryError):
            put(queue, "a", teller.measured(301, 0.0, {"x/0": 0.0}))
        thread.start()
        until(lambda: row_of(store, "a")["step"] == 300)
        until(lambda: queue.redis.info("memory")["used_memory"] < empty + 900_000)
        put(queue, "a", teller.measured(302, 0.0, {"x/0": 0.0}))
        until(lambda: row_of(store, "a")["step"] == 302)
    finally:
        queue.redis.config_set("maxmemory", 0)
        stop.set()
        if thread.ident:
            thread.join(60)
    assert len(read(store, "a", "x/0")) == 301


def test_an_entry_is_committed_without_waiting_for_another(store: Store, queue: Queue) -> None:
    add(store, "a")
    stop = threading.Event()
    thread = threading.Thread(target=Recorder(store, queue).run, args=(stop,))
    thread.start()
    teller = begin(queue, "a")
    until(lambda: row_of(store, "a")["state"] == "running")
    for step in range(1, 30):
        put(queue, "a", teller.measured(step, 0.0, {"x": 1.0}))
        until(lambda step=step: row_of(store, "a")["step"] == step)
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


def test_progress_alone_is_told_once_a_second(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    teller = begin(queue, "a")
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    before = queue.redis.xlen(STATES)
    for step in range(1, 60):
        put(queue, "a", teller.measured(step, 0.0, {"x": 1.0}))
        recorder.turn(1)
    assert queue.redis.xlen(STATES) - before <= 2


def test_two_recorders_write_once(store: Store, queue: Queue, settings: Settings) -> None:
    names = [f"j{n}" for n in range(4)]
    add(store, *names)
    other_store, other_queue = open_store(settings), Queue(queue.url)
    stop = threading.Event()
    recorders = [Recorder(store, queue), Recorder(other_store, other_queue)]
    threads = [threading.Thread(target=one.run, args=(stop,)) for one in recorders]
    for thread in threads:
        thread.start()
    tellers = [begin(queue, name) for name in names]
    for step in range(100):
        for teller in tellers:
            put(queue, teller.job, teller.measured(step, 0.0, {"x": step, "y": 1.0}))
    for teller in tellers:
        put(queue, teller.job, teller.finished(100))
    until(lambda: all(row_of(store, name)["state"] == "succeeded" for name in names))
    stop.set()
    for thread in threads:
        thread.join(60)
    for name in names:
        assert sorted(i["seq"] for i in read(store, name)) == list(range(2, 202))
    other_queue.close()
    other_store.close()


def test_killed_at_any_moment_it_loses_and_repeats_nothing(
    store: Store, queue: Queue, settings: Settings, broker: Broker
) -> None:
    add(store, "a")
    env = {**os.environ, **broker.env, "NORMSCOPE_DATA_DIR": str(settings.data_dir)}
    command = [sys.executable, "-m", "backend.recorder"]
    teller = begin(queue, "a")
    chance = random.Random(1)
    for _ in range(4):
        process = subprocess.Popen(command, cwd=ROOT, env=env)
        deadline = time.monotonic() + 1.0 + chance.random()
        while time.monotonic() < deadline:
            put(queue, "a", *(teller.measured(s, 0.0, {"x": s, "y": -s}) for s in range(20)))
            time.sleep(0.002)
        process.kill()
        process.wait()
    put(queue, "a", teller.finished(1))
    process = subprocess.Popen(command, cwd=ROOT, env=env)
    until(lambda: row_of(store, "a")["state"] == "succeeded")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert sorted(i["seq"] for i in read(store, "a")) == list(range(2, teller.seq))


def test_the_broker_goes_and_comes(tmp_path: Path) -> None:
    with running_broker(tmp_path / "broker") as broker:
        store, queue = open_store(Settings(data_dir=tmp_path)), Queue(broker.url)
        add(store, "a")
        stop = threading.Event()
        thread = threading.Thread(target=Recorder(store, queue).run, args=(stop,))
        thread.start()
        teller = begin(queue, "a")
        until(lambda: row_of(store, "a")["state"] == "running")
        broker.stop()
        time.sleep(0.5)
        broker.start()
        put(queue, "a", teller.measured(1, 0.0, {"x": 1.0}), teller.finished(2))
        until(lambda: row_of(store, "a")["state"] == "succeeded")
        stop.set()
        thread.join(60)
        assert len(read(store, "a")) == 1
        queue.close()
        store.close()


def test_a_lost_worker_means_another_attempt(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue, lease_s=60)
    begin(queue, "a")
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    until(lambda: recorder.reaper._patience, lambda: recorder.turn(1))
    queue.redis.delete(lease_key("a"))
    until(lambda: row_of(store, "a")["state"] == "interrupted", lambda: recorder.turn(20))
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key("a")) or "")
    assert (ticket.attempt, row_of(store, "a")["attempt"]) == (2, 2)
    assert queue.waiting() == 1
    begin(queue, "a", attempt=2)
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))


def test_what_a_lost_attempt_told_before_the_next_began_is_kept(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue, lease_s=0.01)
    lost = begin(queue, "a", leased=False)
    put(queue, "a", lost.measured(1, 0.1, {"x": 1.0}))
    until(lambda: row_of(store, "a")["attempt"] == 2, lambda: recorder.turn(1))
    put(queue, "a", lost.measured(2, 0.2, {"x": 2.0}), lost.finished(2))
    following = begin(queue, "a", attempt=2)
    put(queue, "a", lost.measured(3, 0.3, {"x": 3.0}), following.measured(3, 0.3, {"x": -3.0}))
    until(lambda: row_of(store, "a")["step"] == 3, lambda: recorder.turn(1))
    assert row_of(store, "a")["state"] == "running"
    told = [(point["attempt"], point["step"], point["value"]) for point in read(store, "a")]
    assert told == [(1, 1, 1.0), (1, 2, 2.0), (2, 3, -3.0)]


def test_the_time_left_is_that_of_the_steps_since_the_attempt_went_on(
    store: Store, queue: Queue
) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    teller = Teller("a", 1, "w")
    queue.redis.set(lease_key("a"), "1:w", px=60_000)
    queue.redis.xadd(BELL, {"job": "a"})
    started = teller.started("cpu", 1000, 10.0, "hash", resumed_at=800)
    put(queue, "a", started, teller.measured(850, 8.5, {"x": 1.0}, started.time + 5))
    until(lambda: row_of(store, "a")["step"] == 850, lambda: recorder.turn(1))
    assert row_of(store, "a")["eta_s"] == pytest.approx(15.0, abs=0.01)


def test_a_job_handed_back_starts_again_at_once(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    teller = begin(queue, "a", leased=False)
    put(queue, "a", teller.measured(1, 0.0, {"x": 1.0}))
    queue.redis.xadd(BELL, {"job": "a", "handed_back": "1"})
    until(lambda: row_of(store, "a")["state"] == "interrupted", lambda: recorder.turn(1))
    assert len(read(store, "a")) == 1, "what it told before is kept"
    for _ in range(3):
        recorder.turn(1)
    assert row_of(store, "a")["attempt"] == 2


def test_a_lease_not_seen_since_the_broker_was_away_may_come_again(
    store: Store, queue: Queue
) -> None:
    add(store, "a", "b")
    recorder = Recorder(store, queue, lease_s=3)
    for job in ("a", "b"):
        begin(queue, job)
    until(lambda: len(recorder.reaper._patience) == 2, lambda: recorder.turn(1))
    queue.redis.delete(lease_key("a"), lease_key("b"))
    recorder.reaper.away()
    recorder.reaper.gone_s = 0.0
    until(lambda: recorder.reaper._patience, lambda: recorder.turn(1))
    queue.redis.set(lease_key("a"), "1:w", px=60_000)
    until(lambda: row_of(store, "b")["state"] == "interrupted", lambda: recorder.turn(20))
    assert row_of(store, "a")["state"] == "running"


def test_an_end_that_is_not_yet_recorded_is_no_loss(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue, lease_s=0.0)
    recorder.reaper.gone_s = 0.0
    begin(queue, "a", leased=False)
    queue.redis.set(done_key("a"), 1)
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    for _ in range(3):
        recorder._look()
    assert row_of(store, "a")["attempt"] == 1


def test_a_poison_job_fails_with_its_reason(store: Store, queue: Queue) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    for attempt in (1, 2, 3):
        until(lambda n=attempt: row_of(store, "a")["attempt"] == n, lambda: recorder.turn(1))
        begin(queue, "a", attempt)
        lost = {"job": "a", "lost": str(attempt), "reason": "signal 9 (SIGKILL)"}
        queue.redis.xadd(BELL, lost)  # type: ignore[arg-type]
    until(lambda: row_of(store, "a")["state"] == "failed", lambda: recorder.turn(1))
    error = row_of(store, "a")["error"]
    assert error["code"] == "lost"
    assert "3 times (signal 9 (SIGKILL))" in error["message"]


def test_a_job_that_ends_its_workers_before_they_tell_is_given_up(
    store: Store, queue: Queue
) -> None:
    add(store, "a")
    recorder = Recorder(store, queue, resend_s=0.1)
    for attempt in (1, 2, 3):
        until(lambda n=attempt: row_of(store, "a")["attempt"] == n, lambda: recorder.turn(20))
        queue.redis.delete(QUEUE)
        queue.redis.set(begun_key("a"), attempt)
    until(lambda: row_of(store, "a")["state"] == "failed", lambda: recorder.turn(20))


def test_a_lost_message_is_sent_again(store: Store, queue: Queue) -> None:
    add(store, "a", "held")
    queue.redis.set(lease_key("held"), "1:w", px=60_000)
    recorder = Recorder(store, queue, resend_s=0.1)
    until(lambda: queue.waiting(), lambda: recorder.turn(20))
    for _ in range(20):
        recorder.turn(20)
    assert queue.waiting() == 1
    assert queue.redis.exists(ticket_key("a"))
    assert not queue.redis.exists(ticket_key("held"))


@pytest.mark.parametrize(("age", "signal_name"), [(6, "SIGTERM"), (11, "SIGKILL")])
def test_a_cancel_that_is_not_heard_is_made_to_be(
    store: Store, queue: Queue, age: float, signal_name: str
) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    begin(queue, "a")
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    with store.write() as connection:
        asked = {"cancel_at": time.time() - age}
        connection.execute(update(job_table).where(job_table.c.id == "a").values(asked))
    until(lambda: recorder.reaper._signals, lambda: recorder.turn(20))
    assert list(recorder.reaper._signals.values()) == [signal_name]
    queue.redis.delete(lease_key("a"))
    until(lambda: row_of(store, "a")["state"] == "cancelled", lambda: recorder.turn(20))
    assert signal_name in row_of(store, "a")["message"]


def test_a_clock_set_back_by_an_hour_delays_no_cancel_and_no_lost_message(
    store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.reaper.TERM_S", 0.3)
    add(store, "a", "b")
    begin(queue, "a")
    recorder = Recorder(store, queue)
    until(lambda: row_of(store, "a")["state"] == "running", lambda: recorder.turn(1))
    with store.write() as connection:
        future = time.time() + 3600
        asked = {"cancel_at": future}
        connection.execute(update(job_table).where(job_table.c.id == "a").values(asked))
        sent = {"sent_at": future}
        connection.execute(update(job_table).where(job_table.c.id == "b").values(sent))
    until(lambda: recorder.reaper._signals, lambda: recorder.turn(20))
    until(lambda: queue.waiting() == 1, lambda: recorder.turn(20))
    assert row_of(store, "b")["sent_at"] < future
