"""The costs from which docs/scale.md reckons: what running jobs cost while they tell nothing, what
an entry and a point take. On SQLite, or on the PostgreSQL of NORMSCOPE_DATABASE_URL: it fills its
tables, so give it an empty database.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store import jobs, measurements, size
from backend.store.engine import Store, open_store
from bench.table import Row
from tests.broker import Broker, running_broker
from worker.contract.events import Started, Teller, to_json
from worker.contract.settings import Settings
from worker.contract.wire import lease_key, lease_value, stream_key

RUNNING = (100, 1_000, 10_000)
TURNS = 5
POINTS, BATCH, NAMES = 500_000, 2_000, 10
ENTRIES = 20_000
SPEC = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        store = open_store(Settings(data_dir=Path(folder), database_url=_database()))
        queue = Queue(broker.url)
        yield from points(store)
        yield entries(broker)
        known = 0
        for count in RUNNING:
            began(store, broker, range(known, count))
            known = count
            yield turn(store, queue, count)
        queue.close()
        store.close()


def _database() -> str | None:
    return os.environ.get("NORMSCOPE_DATABASE_URL")


def points(store: Store) -> Iterator[Row]:
    """Written as the recorder writes them: many series at once, in order of their numbers."""
    with store.write() as connection:
        jobs.add(connection, _job("filled"))
        names = [f"series/{index}" for index in range(NAMES)]
        ids = list(measurements.add_series(connection, "filled", 1, names).values())
        before = size.of_database(connection)
    start = time.perf_counter()
    for first in range(0, POINTS, BATCH):
        with store.write() as connection:
            batch = [_point(ids, index) for index in range(first, first + BATCH)]
            measurements.add(connection, batch, [])
    taken = time.perf_counter() - start
    with store.read() as connection:
        each = (size.of_database(connection) - before) / POINTS
    kind = store.engine.dialect.name
    yield Row(f"{kind}: points written a second", f"{POINTS / taken:,.0f}", "", _load())
    yield Row(f"{kind}: room of a point with its index", f"{each:.0f} bytes")


def _point(ids: list[int], index: int) -> dict[str, Any]:
    step = index // len(ids)
    placed = {"seq": index, "step": step, "epoch": step / 100, "time": time.time()}
    return {"series": ids[index % len(ids)], **placed, "value": index / 7}


def _job(id: str) -> dict[str, Any]:
    return {"id": id, "kind": "train", "name": id, "tags": [], "spec": SPEC, "handed": True}


def entries(broker: Broker) -> Row:
    """What the broker takes in where jobs tell one by one, each entry ten points of a step."""
    values = {f"series/{index}": index / 7 for index in range(NAMES)}
    told = [to_json(Teller("told", 1, "bench").measured(1, 0.1, values))]
    fields: Any = {"events": orjson.dumps(told)}
    with broker.client() as client:
        before = client.info("memory")["used_memory"]
        start = time.perf_counter()
        for _ in range(ENTRIES):
            client.xadd("told", fields)
        taken = time.perf_counter() - start
        each = (client.info("memory")["used_memory"] - before) / ENTRIES
        client.delete("told")
    what = f"entries of {NAMES} points that one client tells a second, one by one"
    return Row(what, f"{ENTRIES / taken:,.0f}", "", f"{each:.0f} bytes each; {_load()}")


def began(store: Store, broker: Broker, numbers: range) -> None:
    """More jobs that run, each with a lease and a stream of its own; all say nothing."""
    with store.write() as connection:
        for number in numbers:
            jobs.add(connection, {**_job(f"j{number}"), "state": "running"})
    with broker.client() as client, client.pipeline(transaction=False) as pipeline:
        for number in numbers:
            id = f"j{number}"
            started: Started = Teller(id, 1, "bench").started("cpu", 100, 1.0, "bench")
            pipeline.set(lease_key(id), lease_value(1, "bench"), ex=7200)
            pipeline.xadd(stream_key(id), {"events": orjson.dumps([to_json(started)])})
        pipeline.execute()


def turn(store: Store, queue: Queue, count: int) -> Row:
    """A recorder's round, with its look after every job, once it knows them all."""
    recorder = Recorder(store, queue)
    recorder.turn(1)  # takes in what began
    while recorder._pending:
        recorder.turn(1)
    taken = []
    for _ in range(TURNS):
        recorder._looked = 0.0
        start = time.perf_counter()
        recorder.turn(1)
        taken.append(1000 * (time.perf_counter() - start))
    what = f"a recorder's round over {count:,} jobs that tell nothing"
    return Row(what, f"{sorted(taken)[TURNS // 2]:.0f} ms", "< 1000 ms", _load())


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"
