"""Server-sent events from a real server: all of it, once, in order, whatever happens."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path

import httpx
import pytest

from backend import hub
from backend.cursor import Cursor
from backend.feed import JobFeed
from backend.hub import MOST_ENTRIES, Hub
from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import jobs
from backend.store.engine import Store
from tests.backend.live import points, put, serving, watching
from tests.backend.parts import AUTH
from tests.backend.test_store import add
from tests.broker import running_broker
from worker.contract.events import Teller
from worker.contract.settings import Settings
from worker.contract.wire import stream_key


def record(recorder: Recorder, turns: int = 4) -> None:
    for _ in range(turns):
        recorder.turn(1)


def ring(queue: Queue, job: str) -> None:
    queue.redis.xadd("normscope:bell", {"job": job})


def begin(queue: Queue, job: str, steps: int = 0) -> Teller:
    """A job that runs and has told some steps of two values; 2 … 2·steps + 1 are their numbers."""
    teller = Teller(job, 1, "w")
    ring(queue, job)
    put(queue, job, teller.started("cpu", 1000, 10.0, "hash"))
    measure(queue, teller, steps)
    return teller


def measure(queue: Queue, teller: Teller, steps: int) -> None:
    for step in range(steps):
        put(queue, teller.job, teller.measured(step, 0.0, {"x": step, "y": -step}))


def test_history_then_what_comes(settings: Settings, store: Store, queue: Queue) -> None:
    add(store, "a")
    teller = begin(queue, "a", 50)
    record(Recorder(store, queue))
    measure(queue, teller, 20)  # in the stream, not in the store
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        seen, _ = points(found, 141)
        measure(queue, teller, 30)
        more, id = points(found, 201)
    assert seen + more == list(range(2, 202))
    assert id == "a:1.201"


def test_an_entry_told_twice_is_seen_once(settings: Settings, store: Store, queue: Queue) -> None:
    """A broker that went may have kept what nobody was told that it had; both are read at once."""
    add(store, "a")
    teller = begin(queue, "a", 3)
    again = teller.measured(3, 0.0, {"x": 3, "y": -3})
    put(queue, "a", again)
    put(queue, "a", again)
    measure(queue, teller, 1)
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        seen, _ = points(found, 11)
    assert seen == list(range(2, 12))


def test_reconnecting_loses_and_repeats_nothing(
    settings: Settings, store: Store, queue: Queue
) -> None:
    add(store, "a")
    teller = begin(queue, "a", 10)
    recorder = Recorder(store, queue)
    seen: list[int] = []
    id = ""
    with serving(settings, store, queue) as url:
        for round in range(6):
            measure(queue, teller, 10)
            if round % 2:
                record(recorder)
            with watching(url, "?jobs=a&after=a:0", **{"Last-Event-ID": id or "a:0"}) as found:
                new, id = points(found, teller.seq - 7 if round == 3 else teller.seq)
                seen += new
    assert seen == list(range(2, teller.seq + 1))


def test_a_restart_of_the_api_loses_nothing(settings: Settings, store: Store, queue: Queue) -> None:
    add(store, "a")
    teller = begin(queue, "a", 10)
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        first, id = points(found, teller.seq)
    measure(queue, teller, 10)
    with (
        serving(settings, store, queue) as url,
        watching(url, "?jobs=a", **{"Last-Event-ID": id}) as found,
    ):
        second, _ = points(found, teller.seq)
    assert first + second == list(range(2, teller.seq + 1))


def test_many_viewers_while_it_is_told_and_recorded(
    settings: Settings, store: Store, queue: Queue
) -> None:
    """Viewers that come at any moment see everything, also while the recorder works."""
    add(store, "a")
    teller = begin(queue, "a")
    stop = threading.Event()
    recording = threading.Thread(target=Recorder(store, queue).run, args=(stop,))
    recording.start()
    results: list[list[int]] = []

    def view(url: str) -> None:
        with watching(url, "?jobs=a") as found:
            results.append(points(found, 801)[0])

    with serving(settings, store, queue) as url:
        viewers = []
        for _ in range(8):
            viewers.append(threading.Thread(target=view, args=(url,)))
            viewers[-1].start()
            measure(queue, teller, 50)
        for viewer in viewers:
            viewer.join(20)
    stop.set()
    recording.join()
    assert results == [list(range(2, 802))] * 8


def test_a_slow_viewer_catches_up_from_the_store(
    settings: Settings, store: Store, queue: Queue
) -> None:
    add(store, "a")
    teller = begin(queue, "a", 1)
    recorder = Recorder(store, queue)
    with (
        serving(settings, store, queue, most_waiting=20) as url,
        watching(url, "?jobs=a") as found,
    ):
        first, _ = points(found, teller.seq)
        many = [teller.measured(s, 0.0, {f"name{n}": 1.0 for n in range(50)}) for s in range(200)]
        for event in many:
            put(queue, "a", event)
            if event.step % 50 == 0:
                record(recorder, 1)
        second, _ = points(found, teller.seq)
    assert first + second == list(range(2, teller.seq + 1))


def test_a_viewer_slower_than_the_recorder_trims_loses_nothing(
    settings: Settings, store: Store, queue: Queue
) -> None:
    """It reads a page of the stream; before its next, all there is is recorded and dropped."""
    add(store, "a")
    teller = begin(queue, "a", MOST_ENTRIES + 100)
    recorder = Recorder(store, queue)

    async def watched() -> list[int]:
        seen: list[int] = []
        async with Hub(queue.url) as hub:
            async for sent in JobFeed(hub, store, {"a": Cursor()}).messages():
                if sent.startswith(b"event: measured"):
                    data = json.loads(sent.split(b"data: ")[1])
                    seen += [item["seq"] for item in data["items"]]
                    if len(seen) < 2 * MOST_ENTRIES:
                        record(recorder, 10)
                        queue.redis.xtrim(
                            stream_key("a"), minid=recorder._places["a"], approximate=False
                        )
                        measure(queue, teller, 5)
                elif sent.startswith(b"event: state"):
                    break
        return seen

    assert asyncio.run(watched()) == list(range(2, teller.seq + 1))


def test_after_a_standstill_of_the_api_a_viewer_missed_nothing(
    settings: Settings, store: Store, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was told meanwhile is recorded and dropped before the hub reads it."""
    monkeypatch.setattr(hub, "STANDSTILL_S", 0.5)
    add(store, "a")
    teller = begin(queue, "a", 5)
    recorder = Recorder(store, queue)

    async def watched() -> list[int]:
        seen: list[int] = []
        async with Hub(queue.url) as reader:
            async for sent in JobFeed(reader, store, {"a": Cursor()}).messages():
                if sent.startswith(b"event: measured"):
                    data = json.loads(sent.split(b"data: ")[1])
                    seen += [item["seq"] for item in data["items"]]
                    if seen[-1] >= 41:
                        break
                elif sent.startswith(b"event: state") and teller.seq == 11:
                    await asyncio.sleep(0.1)  # the hub waits for news now
                    measure(queue, teller, 15)
                    record(recorder, 10)
                    queue.redis.xtrim(
                        stream_key("a"), minid=recorder._places["a"], approximate=False
                    )
                    time.sleep(0.6)
        return seen

    assert asyncio.run(asyncio.wait_for(watched(), 60)) == list(range(2, 42))


def test_states_follow_the_measurements_they_speak_of(
    settings: Settings, store: Store, queue: Queue
) -> None:
    add(store, "a")
    recorder = Recorder(store, queue)
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        assert next(found).data["state"] == "queued"
        teller = begin(queue, "a", 5)
        put(queue, "a", teller.finished(5))
        record(recorder, 6)
        kinds = []
        for message in found:
            kinds.append(message.event)
            if message.event == "state" and message.data["state"] == "succeeded":
                break
    assert message.data["summary"] == {"x": 4.0, "y": -4.0}
    assert kinds[-1] == "state"
    assert "measured" in kinds


def test_the_states_of_all_jobs_and_from_where_one_was(
    settings: Settings, store: Store, queue: Queue
) -> None:
    with serving(settings, store, queue) as url, watching(url) as found:
        time.sleep(0.2)
        for name in "abc":
            queue.publish([{"id": name, "state": "queued"}])
        seen = [next(found) for _ in range(3)]
        assert [message.data["id"] for message in seen] == ["a", "b", "c"]
        with watching(url, **{"Last-Event-ID": seen[0].id}) as again:
            assert [next(again).data["id"] for _ in range(2)] == ["b", "c"]


def test_older_attempts_are_dropped(settings: Settings, store: Store, queue: Queue) -> None:
    add(store, "a")
    old = begin(queue, "a", 2)
    new = Teller("a", 2)
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        points(found, old.seq)
        measure(queue, new, 2)
        measure(queue, old, 2)
        measure(queue, new, 1)
        attempts = []
        while len(attempts) < 6:
            message = next(found)
            if message.event == "measured":
                attempts += [(item["attempt"], item["seq"]) for item in message.data["items"]]
    assert attempts == [(2, seq) for seq in range(1, 7)]


def test_a_point_is_seen_without_waiting_for_another(
    settings: Settings, store: Store, queue: Queue
) -> None:
    add(store, "a")
    teller = begin(queue, "a", 1)
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        points(found, teller.seq)
        for step in range(50):
            put(queue, "a", teller.measured(step, 0.0, {"x": 1.0}))
            message = next(message for message in found if message.event == "measured")
            assert message.data["items"][0]["step"] == step


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?jobs=nobody", 404),
        ("?jobs=../a", 404),
        ("?jobs=", 422),
        ("?jobs=a&after=a:x", 422),
        ("?jobs=a&after=a:1.2.3", 422),
        ("?after=states:x", 422),
    ],
)
def test_bad_questions(
    settings: Settings, store: Store, queue: Queue, query: str, status: int
) -> None:
    add(store, "a")
    with serving(settings, store, queue) as url:
        answer = httpx.get(f"{url}/events{query}", headers=AUTH)
    assert answer.status_code == status
    assert answer.json()["status"] == status


def test_the_broker_goes_and_comes(store: Store, tmp_path: Path) -> None:
    with running_broker(tmp_path / "broker") as broker:
        queue = Queue(broker.url)
        settings = Settings(data_dir=tmp_path, redis_url=broker.url)
        add(store, "a")
        teller = begin(queue, "a", 5)
        with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
            first, _ = points(found, teller.seq)
            broker.stop()
            assert httpx.get(f"{url}/workers", headers=AUTH).status_code == 503
            time.sleep(0.3)
            broker.start()
            measure(queue, teller, 5)
            second, _ = points(found, teller.seq)
        queue.close()
    assert first + second == list(range(2, teller.seq + 1))


def test_viewers_that_leave_are_forgotten(settings: Settings, store: Store, queue: Queue) -> None:
    add(store, "a")
    with serving(settings, store, queue) as url:
        with watching(url, "?jobs=a") as found:
            assert next(found).data["id"] == "a"
            assert "normscope_event_streams 1" in httpx.get(f"{url}/metrics", headers=AUTH).text
        deadline = time.monotonic() + 5
        while "streams 0" not in httpx.get(f"{url}/metrics", headers=AUTH).text:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_the_state_read_from_the_store_is_of_now(
    settings: Settings, store: Store, queue: Queue
) -> None:
    add(store, "a")
    teller = begin(queue, "a", 3)
    put(queue, "a", teller.finished(3))
    record(Recorder(store, queue))
    with store.read() as connection:
        row = jobs.get(connection, "a")
    assert row is not None
    assert row["state"] == "succeeded"
    with serving(settings, store, queue) as url, watching(url, "?jobs=a") as found:
        assert next(found).event == "measured"
        assert next(found).data["state"] == "succeeded"
