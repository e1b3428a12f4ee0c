"""How long a page of the jobs table takes with 10,000 jobs in the store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.store import jobs
from backend.store.engine import open_store
from bench.table import Row
from tests.backend.test_store import new_job
from worker.contract.settings import Settings

JOBS, TURNS = 10_000, 20


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        store = open_store(Settings(data_dir=Path(folder)))
        with store.write() as connection:
            for index in range(JOBS):
                tags = ["even"] if index % 2 == 0 else []
                jobs.add(connection, new_job(f"j{index}", name=f"name {index % 97}", tags=tags))
        where = jobs.Filter(state=["queued"], tag=["even"], q="name 1")
        taken = []
        for turn in range(TURNS):
            began = time.perf_counter()
            with store.read() as connection:
                jobs.listing(connection, where, ("-created_at", "name")[turn % 2], 50, None)
            taken.append(1000 * (time.perf_counter() - began))
        store.close()
    yield Row(
        f"a filtered, sorted page of {JOBS:,} jobs, worst", f"{max(taken):.0f} ms", "<= 300 ms"
    )
