"""The same promises in SQLite and in PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, func, select

from backend.cursor import Cursor
from backend.store import after, artifacts, attempts, carried, jobs, measurements, record
from backend.store.engine import Store, migrate, open_store
from backend.store.names import Range, series_of
from backend.store.tables import metadata, point
from worker.contract.events import AnyEvent, Teller, to_json
from worker.contract.measurement import Curve
from worker.contract.settings import Settings


def new_job(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "kind": "train", "name": id, "tags": [], "spec": {"epochs": 1}, **more}


def add(store: Store, *ids: str, **more: Any) -> None:
    """Jobs that wait, and whose messages the broker was handed."""
    with store.write() as connection:
        for id in ids:
            jobs.add(connection, new_job(id, **{"handed": True, **more}))


def tell(store: Store, job: str, *events: AnyEvent, place: str = "1-0") -> jobs.Row:
    with store.write() as connection:
        row = record.locked(connection, job)
        assert row is not None
        told = record.gather(row, [to_json(event) for event in events])
        return record.write(connection, told, place, {})[0]


def read(store: Store, job: str, *names: str, most: int | None = None) -> list[dict[str, Any]]:
    with store.read() as connection:
        series = series_of(connection, job, names)
        return measurements.read(connection, series, Range(), most)[0]


def test_the_migrations_make_what_the_tables_say(any_store: Store) -> None:
    with any_store.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_what_a_job_survived_outlives_its_attempt(any_store: Store) -> None:
    add(any_store, "a")
    first = Teller("a", 1)
    tell(any_store, "a", started(first), first.noted("no_checkpoint", "no room", 7))
    row = tell(any_store, "a", first.noted("no_checkpoint", "still no room", 9), place="2-0")
    with any_store.write() as connection:
        attempts.interrupt(connection, row)
    second = Teller("a", 2)
    info = tell(any_store, "a", started(second), place="3-0")["info"]
    assert info["resumed_at"] == 5
    assert [note["message"] for note in info["notes"]] == ["no room", "still no room"]
    assert info["notes"][0] == {
        "code": "no_checkpoint",
        "message": "no room",
        "step": 7,
        "attempt": 1,
    }


def started(tell: Teller) -> AnyEvent:
    return tell.started("cpu", 10, 1.0, "hash", resumed_at=5)


def test_many_processes_may_migrate_at_once(any_store: Store) -> None:
    failures: list[Exception] = []

    def run() -> None:
        try:
            migrate(any_store.engine)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_several_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    stores: list[Store] = []
    settings = Settings(data_dir=tmp_path)
    threads = [
        threading.Thread(target=lambda: stores.append(open_store(settings))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stores) == 6
    for store in stores:
        store.close()


def test_a_job_comes_back_as_it_was(any_store: Store) -> None:
    spec = {"dataset": {"name": "digits"}, "lr": 0.1, "text": "é\\u0000"}
    add(any_store, "a", spec=spec, tags=["x", "y"])
    with any_store.read() as connection:
        row = jobs.get(connection, "a")
        assert row is not None
        assert (row["spec"], row["tags"], row["state"]) == (spec, ["x", "y"], "queued")
        assert jobs.get(connection, "b") is None


def test_a_key_is_used_once(any_store: Store) -> None:
    add(any_store, "a", idempotency_key="k")
    with any_store.read() as connection:
        row = jobs.by_idempotency_key(connection, "k")
    assert row is not None
    assert row["id"] == "a"


def test_events_become_a_row_and_measurements(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a", 1, "w1")
    events = [
        teller.started("cpu", 10, 2.0, "hash", layers=["layer1"]),
        teller.measured(1, 0.2, {"train/loss": 2.5, "norm/intrinsic": float("nan")}),
        teller.measured(2, 0.4, {"train/loss": float("inf")}),
        teller.saved("checkpoint", "final.safetensors", 2**40, "f" * 64, 2),
    ]
    row = tell(any_store, "a", *events)
    assert row["state"] == "running"
    assert row["info"] == {"layers": ["layer1"]}
    assert (row["told_attempt"], row["told_seq"]) == (1, 5)
    with any_store.read() as connection:
        again = jobs.get(connection, "a")
        files = artifacts.of_job(connection, "a")
    assert again == row
    assert again["summary"] == {"train/loss": "inf", "norm/intrinsic": "nan"}
    assert [(f["name"], f["bytes"]) for f in files] == [("final.safetensors", 2**40)]
    values = [(i["name"], i["seq"], i["step"], i["value"]) for i in read(any_store, "a")]
    assert values == [
        ("norm/intrinsic", 3, 1, "nan"),
        ("train/loss", 2, 1, 2.5),
        ("train/loss", 4, 2, "inf"),
    ]


def test_told_twice_is_told_once(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a")
    events = [
        teller.started("cpu", 10, 1.0, ""),
        *(teller.measured(s, 0.1, {"x": s}) for s in range(5)),
        teller.saved("table", "t.csv", 1, "0" * 64, 4),
        teller.finished(5),
    ]
    first = tell(any_store, "a", *events)
    with any_store.write() as connection:  # as if a crash had lost the place but not the rows
        values = {"told_seq": 0, "told_attempt": 0}
        connection.execute(jobs.job.update().where(jobs.job.c.id == "a").values(values))
    second = tell(any_store, "a", *events)
    assert len(read(any_store, "a")) == 5
    assert second["told_seq"] == first["told_seq"]
    assert second["state"] == "succeeded"
    with any_store.read() as connection:
        assert len(artifacts.of_job(connection, "a")) == 1


def test_a_lost_attempt_is_not_heard(any_store: Store) -> None:
    add(any_store, "a")
    old, new = Teller("a", 1), Teller("a", 2)
    row = tell(
        any_store, "a", old.started("cpu", 10, 1.0, ""), old.measured(0, 0.0, {"x": 1.0, "y": 1.0})
    )
    with any_store.write() as connection:
        changed = attempts.interrupt(connection, row)
        assert changed is not None
        assert (changed["state"], changed["attempt"]) == ("interrupted", 2)
        assert attempts.interrupt(connection, row) is None, "only once for one attempt"
    late = [old.measured(1, 0.1, {"x": 2.0}), old.finished(2)]
    assert tell(any_store, "a", *late)["state"] == "interrupted"
    tell(any_store, "a", new.started("cpu", 10, 1.0, ""), new.measured(0, 0.0, {"x": 3.0}))
    values = [(item["name"], item["attempt"], item["value"]) for item in read(any_store, "a")]
    assert values == [("x", 2, 3.0), ("y", 1, 1.0)], "steps that were done again are shown once"


def test_a_resumed_attempt_continues_the_curve(any_store: Store) -> None:
    add(any_store, "a")
    old, new = Teller("a", 1), Teller("a", 2)
    row = tell(
        any_store,
        "a",
        old.started("cpu", 10, 1.0, ""),
        *(old.measured(s, 0.0, {"x": s}) for s in range(6)),
    )
    with any_store.write() as connection:
        attempts.interrupt(connection, row)
    tell(
        any_store,
        "a",
        new.started("cpu", 10, 1.0, ""),
        *(new.measured(s, 0.0, {"x": 10.0 + s}) for s in range(3, 8)),
    )
    wanted = [0.0, 1.0, 2.0, 13.0, 14.0, 15.0, 16.0, 17.0]
    assert [item["value"] for item in read(any_store, "a")] == wanted
    with any_store.read() as connection:
        first, at = after.page(connection, "a", Cursor())
        assert at is not None
        second, at = after.page(connection, "a", at)
    assert [item["value"] for item in first + second] == wanted


def test_after_three_lost_attempts_it_ends(any_store: Store) -> None:
    add(any_store, "a")
    for attempt in (1, 2, 3):
        row = tell(any_store, "a", Teller("a", attempt).started("cpu", 10, 1.0, ""))
        assert row["state"] == "running"
        with any_store.write() as connection:
            changed = attempts.interrupt(connection, row)
    assert changed is not None
    assert (changed["state"], changed["attempt"]) == ("failed", 3)
    assert changed["error"]["code"] == "lost"


def test_cancelling_ends_what_waits_and_asks_what_runs(any_store: Store) -> None:
    add(any_store, "waits", "runs", "ended")
    tell(any_store, "runs", Teller("runs").started("cpu", 1, 1.0, ""))
    teller = Teller("ended")
    tell(any_store, "ended", teller.started("cpu", 1, 1.0, ""), teller.finished(1))
    found = {}
    with any_store.write() as connection:
        for id in ("waits", "runs", "ended"):
            jobs.ask_cancel(connection, id)
            row = jobs.get(connection, id)
            assert row is not None
            found[id] = (row["state"], row["cancel_at"] is not None)
    assert found == {
        "waits": ("cancelled", True),
        "runs": ("running", True),
        "ended": ("succeeded", False),
    }


def test_after_gives_every_point_in_order_page_by_page(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a")
    values = {f"s{n}": float(n) for n in range(7)}
    curve = Curve(x=[0.0], y=[1.0], x_label="x", y_label="y")
    events: list[AnyEvent] = [teller.started("cpu", 10, 1.0, "")]
    events += [teller.measured(s, 0.0, values) for s in range(900)]
    events += [teller.measured(900, 0.0, {"c": curve}) for _ in range(3)]
    tell(any_store, "a", *events)
    seen: list[int] = []
    cursor: Cursor | None = Cursor(1, 11)
    while cursor is not None:
        with any_store.read() as connection:
            items, cursor = after.page(connection, "a", cursor)
        assert len(items) <= after.WINDOW
        seen += [item["seq"] for item in items]
    last = 1 + 900 * 7 + 3
    assert seen == [*range(12, last - 2), last], "of shapes the newest"


def test_what_is_recorded_between_two_pages_is_on_the_second(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a")
    steps = iter(range(after.WINDOW))

    def record(count: int) -> None:
        values = {"x": 1.0, "y": 2.0}
        tell(any_store, "a", *(teller.measured(next(steps), 0.0, values) for _ in range(count)))

    tell(any_store, "a", teller.started("cpu", 10, 1.0, ""))
    record(after.WINDOW // 2 - 10)
    seen: list[int] = []
    cursor: Cursor | None = Cursor()
    while cursor is not None:
        with any_store.read() as connection:
            items, cursor = after.page(connection, "a", cursor)
        seen += [item["seq"] for item in items]
        if len(seen) < after.WINDOW:
            record(20)
    assert seen == list(range(2, 2 + len(seen)))
    assert len(seen) > after.WINDOW


def test_thousands_of_series_take_few_statements(any_store: Store) -> None:
    """Of a job that went on in a second attempt, at a step it had measured already."""
    add(any_store, "a")
    names = [f"group/{number:04}" for number in range(1200)]
    for attempt, steps in ((1, (1, 2)), (2, (2, 3))):
        teller, values = Teller("a", attempt), dict.fromkeys(names, float(attempt))
        told: list[AnyEvent] = [teller.started("cpu", 10, 1.0, "")]
        told += [teller.measured(step, 0.0, values) for step in steps]
        row = tell(any_store, "a", *told)
        if attempt == 1:
            with any_store.write() as connection:
                attempts.interrupt(connection, row)
    statements: list[str] = []
    with any_store.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2]))
        found, _ = measurements.read(connection, series_of(connection, "a"), Range(), 2000)
        paged, at = [], Cursor()
        while at is not None:
            items, at = after.page(connection, "a", at)
            paged += items
    wanted = [(name, step, float(of)) for name in names for step, of in ((1, 1), (2, 2), (3, 2))]
    for items in (found, paged):
        assert sorted((i["name"], i["step"], i["value"]) for i in items) == wanted
    assert 5 * len(statements) < len(names)


def test_deleting_a_job_deletes_what_it_measured(any_store: Store) -> None:
    add(any_store, "a", tags=["t"])
    teller = Teller("a")
    events = [teller.started("cpu", 1, 1.0, ""), teller.measured(0, 0.0, {"x": 1.0})]
    tell(any_store, "a", *events)
    with any_store.write() as connection:
        assert not jobs.remove(connection, "a"), "it runs"
    tell(any_store, "a", teller.finished(1))
    with any_store.write() as connection:
        assert jobs.remove(connection, "a")
        assert not jobs.remove(connection, "a")
        assert connection.execute(select(func.count()).select_from(point)).scalar_one() == 0


def test_what_nobody_was_told_is_found(any_store: Store) -> None:
    add(any_store, "a", "b")
    with any_store.write() as connection:
        rows = {row["id"]: row for row in jobs.unpublished(connection)}
        assert set(rows) == {"a", "b"}
        jobs.published(connection, rows["a"])
        assert [row["id"] for row in jobs.unpublished(connection)] == ["b"]


def test_a_broken_event_hides_no_other(any_store: Store) -> None:
    add(any_store, "a")
    teller = Teller("a")
    good = [
        to_json(e) for e in (teller.started("cpu", 1, 1.0, ""), teller.measured(1, 0, {"x": 1.0}))
    ]
    bad: list[Any] = [
        {},
        {"type": "measured"},
        {"type": "nope", "attempt": 1, "seq": 9},
        {**good[1], "seq": 7, "values": {"x": "many"}},
        "text",
        None,
    ]
    with any_store.write() as connection:
        row = record.locked(connection, "a")
        assert row is not None
        told = record.gather(row, [good[0], *bad, good[1]])
        record.write(connection, told, "1-0", {})
    assert [item["value"] for item in read(any_store, "a")] == [1.0]


def test_many_names_are_carried_in_with_few_statements(any_store: Store) -> None:
    add(any_store, "a")
    point_of = {"attempt": 1, "shapes": []}
    lines = [
        {**point_of, "name": f"n{at}", "points": [(at, 0, 0.0, 0.0, 1.0)]} for at in range(999)
    ]
    again = [
        {**point_of, "name": f"n{at}", "points": [(999 + at, 1, 1.0, 1.0, 2.0)]} for at in (0, 5)
    ]
    asked: list[str] = []
    event.listen(any_store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    with any_store.write() as connection:
        carried.add_measured(connection, "a", iter([*lines, *again]))
    assert len(asked) < 20
    assert len(read(any_store, "a")) == 1001
    assert [found["value"] for found in read(any_store, "a", "n5")] == [1.0, 2.0]
