"""One measurement of many jobs, thinned in the database, in SQLite and in PostgreSQL."""

from __future__ import annotations

import math

import numpy as np
import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import attempts, measurements, overlay
from backend.store.engine import Store
from backend.store.names import Range, series_of_jobs
from backend.thinned import Thinned
from tests.backend.live import put
from tests.backend.parts import train
from tests.backend.test_store import add, tell
from worker.contract.events import Measured, Teller
from worker.contract.wire import BELL


def told(count: int, start: int = 0, teller: Teller | None = None) -> list[Measured]:
    """A sine with a spike upwards, one downwards, and another series in between."""
    teller = teller or Teller("a", 1, "w")
    values = np.sin(np.arange(start, start + count) / 50)
    if count > 700:
        values[333], values[666] = 100.0, -100.0
    return [
        teller.measured(start + i, (start + i) / 10, {"train/loss": float(v), "other": 1.0})
        for i, v in enumerate(values)
    ]


def read(store: Store, most: int, **where: int) -> dict[str, list[float]]:
    with store.read() as connection:
        parts = series_of_jobs(connection, ["a"], ["train/loss"])
        return overlay.read(connection, parts["a", "train/loss"], Range(**where), most)


def test_few_points_come_as_they_are(any_store: Store) -> None:
    add(any_store, "a")
    events = told(50)
    tell(any_store, "a", *events)
    found = read(any_store, 100)
    assert found["step"] == list(range(50))
    assert found["value"] == [event.values["train/loss"] for event in events]
    assert found["epoch"] == [event.epoch for event in events]
    assert found["downsampled"] is False
    assert (found["attempt"], found["seq"]) == (1, 99)


def test_many_points_are_thinned_and_no_spike_is_lost(any_store: Store) -> None:
    add(any_store, "a")
    tell(any_store, "a", *told(2000))
    found = read(any_store, 100)
    assert found["downsampled"] is True
    assert 80 <= len(found["step"]) <= 100
    assert (max(found["value"]), min(found["value"])) == (100.0, -100.0)
    assert found["step"] == sorted(found["step"])
    assert (found["step"][0], found["step"][-1]) == (0, 1999)
    assert found["step"][found["value"].index(100.0)] == 333
    assert found["step"][found["value"].index(-100.0)] == 666


def test_a_range_of_steps_comes_at_full_resolution(any_store: Store) -> None:
    add(any_store, "a")
    tell(any_store, "a", *told(2000))
    found = read(any_store, 100, first=320, last=340)
    assert found["step"] == list(range(320, 341))
    assert found["value"][13] == 100.0


def test_a_later_attempt_takes_the_place_of_the_steps_it_went_over(any_store: Store) -> None:
    add(any_store, "a")
    old, new = Teller("a", 1), Teller("a", 2)
    row = tell(any_store, "a", old.started("cpu", 10, 1.0, ""), *told(1000, teller=old))
    with any_store.write() as connection:
        attempts.interrupt(connection, row)
    tell(any_store, "a", new.started("cpu", 10, 1.0, ""), *told(1000, 600, new))
    found = read(any_store, 2000)
    assert found["step"] == list(range(1600))
    thin = read(any_store, 100)
    assert thin["step"] == sorted(thin["step"])
    assert (thin["step"][0], thin["step"][-1]) == (0, 1599)
    assert (thin["attempt"], thin["downsampled"]) == (2, True)


def test_of_many_points_those_that_are_no_number_stay(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a", 1, "w")
    values = [math.nan if i == 500 else 1.0 * (i % 7) for i in range(1000)]
    tell(
        any_store, "a", *(teller.measured(i, 0.0, {"train/loss": v}) for i, v in enumerate(values))
    )
    found = read(any_store, 100)
    assert found["value"][found["step"].index(500)] == "nan"
    assert found["value"].count("nan") == 1


@pytest.mark.parametrize("most", [5, 60])
@pytest.mark.parametrize("tries", [1, 3])
def test_what_is_not_finite_hides_no_spike(any_store: Store, most: int, tries: int) -> None:
    add(any_store, "a")
    values = [1.0 * (i % 7) for i in range(900)]
    values[498:503] = [math.inf, 100.0, math.nan, -100.0, -math.inf]
    for attempt in range(1, tries + 1):
        teller, first = Teller("a", attempt), 300 * (attempt - 1)
        last = 900 if attempt == tries else first + 300
        started = teller.started("cpu", 10, 1.0, "")
        steps = ((i, values[i]) for i in range(first, last))
        points = [teller.measured(i, 0.0, {"train/loss": value}) for i, value in steps]
        row = tell(any_store, "a", started, *points)
        if attempt < tries:
            with any_store.write() as connection:
                attempts.interrupt(connection, row)
    found = read(any_store, most)["value"]
    assert len(found) <= most
    finite = [value for value in found if not isinstance(value, str)]
    assert (max(finite), min(finite)) == (100.0, -100.0)
    assert len(finite) < len(found)
    with any_store.read() as connection:
        parts = series_of_jobs(connection, ["a"], ["train/loss"])["a", "train/loss"]
        items, thinned = measurements.read(connection, parts, Range(), most)
    assert ([item["value"] for item in items], thinned) == (found, True)


def test_what_is_not_finite_is_told(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a", 1, "w")
    values = [1.0, math.nan, math.inf, -math.inf]
    tell(
        any_store, "a", *(teller.measured(i, 0.0, {"train/loss": v}) for i, v in enumerate(values))
    )
    assert read(any_store, 100)["value"] == [1.0, "nan", "inf", "-inf"]


def test_over_rest_for_several_jobs_and_names(
    client: TestClient, queue: Queue, store: Store
) -> None:
    recorder = Recorder(store, queue)
    ids = [client.post("/jobs", json=train(seed=i)).json()["id"] for i in range(2)]
    for id in ids:
        queue.redis.xadd(BELL, {"job": id})
        teller = Teller(id, 1, "w")
        started = teller.started("cpu", 10, 1.0, "hash")
        points = (teller.measured(i, i / 10, {"a": 1.0 * i, "b": 2.0 * i}) for i in range(5))
        put(queue, id, started, *points)
    for _ in range(3):
        recorder.turn(1)
    query = f"/overlay?jobs={ids[0]},{ids[1]},gone&name=a,b,c"
    answer = client.get(query).json()
    assert answer["cursors"] == {id: client.get(f"/jobs/{id}").json()["cursor"] for id in ids}
    found = answer["items"]
    assert [(one["job"], one["name"]) for one in found] == [
        (id, name) for id in ids for name in ("a", "b")
    ]
    assert found[1]["value"] == [0, 2, 4, 6, 8]
    too_many = ",".join(f"j{i}" for i in range(300))
    assert client.get(f"/overlay?jobs={too_many}&name=a").status_code == 422
    assert client.get("/overlay?jobs=a").status_code == 422


def test_a_curve_is_thinned_again_only_when_it_has_grown() -> None:
    made: list[str] = []

    def making(text: str) -> bytes:
        made.append(text)
        return text.encode()

    kept = Thinned(most=8)
    assert kept.get("a", 1, lambda: making("one")) == b"one"
    assert kept.get("a", 1, lambda: making("never")) == b"one"
    assert kept.get("a", 2, lambda: making("grown")) == b"grown"
    assert kept.get("b", 1, lambda: making("other")) == b"other"  # no room for both: the older goes
    assert kept.get("b", 1, lambda: making("never")) == b"other"
    assert kept.get("a", 2, lambda: making("again")) == b"again"
    assert made == ["one", "grown", "other", "again"]


def test_an_answer_grows_with_its_job(client: TestClient, queue: Queue, store: Store) -> None:
    recorder = Recorder(store, queue)
    id = client.post("/jobs", json=train()).json()["id"]
    queue.redis.xadd(BELL, {"job": id})
    teller = Teller(id, 1, "w")
    put(queue, id, teller.started("cpu", 10, 1.0, "hash"), teller.measured(0, 0.0, {"a": 1.0}))
    for _ in range(3):
        recorder.turn(1)

    def values() -> list[float]:
        return client.get(f"/overlay?jobs={id}&name=a").json()["items"][0]["value"]

    assert values() == values() == [1.0]
    put(queue, id, teller.measured(1, 0.1, {"a": 2.0}))
    for _ in range(3):
        recorder.turn(1)
    assert values() == [1.0, 2.0]
