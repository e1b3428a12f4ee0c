"""The load that a busy cluster makes: points from many jobs at once, viewers, and readers.

The API, the recorder and a broker run as in production. Tellers are processes that hold leases and
tell events through the worker's own sink, so that no training takes the cores; viewers read event
streams; one reader asks what pages ask. Every point that was told is counted in the store.
`LOAD_SECONDS` sets how long it goes on evenly, 300 unless told.
"""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import cycle
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
import redis

from bench.table import Row
from tests.broker import running_broker
from tests.e2e.explorer import ROOT, free_port, until
from worker.contract.events import Teller
from worker.contract.wire import BELL, lease_key, lease_value
from worker.sinks import RedisStream

SECONDS = float(os.environ.get("LOAD_SECONDS", "300"))
RATE, BURST, BURST_S = 50_000, 200_000, 10.0
"""Points a second, evenly and in a burst."""
JOBS, TELLERS, VIEWERS, NAMES = 20, 2, 20, 10
TICK_S = 0.05
SUBMITTED = 200
TOKEN = "token-of-the-benchmark"
Taken = dict[str, list[float]]
"""Milliseconds of every read, by what was read."""
SPEC = {"kind": "train", "spec": {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}}


def rows() -> Iterator[Row]:
    with serving() as (client, pids, env):
        yield submitted(client)
        for what, rate, seconds in (("", RATE, SECONDS), (" in a burst", BURST, BURST_S)):
            yield from loaded(client, pids, env, what, rate, seconds)


@contextmanager
def serving() -> Iterator[tuple[httpx.Client, dict[str, int], dict[str, str]]]:
    """A client of the API, the processes by name, and their environment."""
    port = free_port()
    with TemporaryDirectory() as folder, running_broker(Path(folder)) as broker, ExitStack() as all:
        env = {**os.environ, **broker.env, "NORMSCOPE_API_PORT": str(port)}
        env["NORMSCOPE_TOKEN"] = TOKEN
        assert broker.process is not None
        pids = {"broker": broker.process.pid}
        for name in ("api", "recorder"):
            command = [sys.executable, "-m", f"backend.{name}"]
            process = all.enter_context(subprocess.Popen(command, cwd=ROOT, env=env))
            all.callback(process.terminate)
            pids[name] = process.pid
        url, headers = f"http://127.0.0.1:{port}/api/v1", {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            until(lambda: _up(client), 30, "the API did not answer")
            yield client, pids, env


def _up(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def submitted(client: httpx.Client) -> Row:
    """Many jobs at once, from many clients."""

    def post(_: int) -> float:
        began = time.perf_counter()
        client.post("/jobs", json=SPEC).raise_for_status()
        return 1000 * (time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(20) as clients:
        taken = sorted(clients.map(post, range(SUBMITTED)))
    whole = time.perf_counter() - began
    return Row(
        f"{SUBMITTED} jobs submitted at once, p99",
        f"{taken[int(0.99 * len(taken))]:.0f} ms",
        "",
        f"median {statistics.median(taken):.0f} ms, all within {whole:.1f} s",
    )


def loaded(
    client: httpx.Client,
    pids: dict[str, int],
    env: dict[str, str],
    what: str,
    rate: int,
    seconds: float,
) -> Iterator[Row]:
    """Points at a rate, with viewers and a reader."""
    jobs = [client.post("/jobs", json=SPEC).raise_for_status().json()["id"] for _ in range(JOBS)]
    with watched(client, jobs) as (seen, taken):
        memory = told(env["NORMSCOPE_REDIS_URL"], jobs, rate, seconds, pids)
        began = time.perf_counter()
        until(lambda: _all_over(client, jobs), 1200, "the recorder does not come after")
        lag = time.perf_counter() - began
    yield Row(
        f"{rate:,} points a second{what} for {seconds:.0f} s, {VIEWERS} viewers: stored",
        f"{_stored(env, jobs):,} of {JOBS * NAMES * _events(rate, seconds):,}",
        "all",
        f"the recorder ended {lag:.1f} s after the last; viewers saw {sum(seen.values()):,}",
    )
    every = [one for found in taken.values() for one in found]
    slow = "; ".join(f"{path} {_p99(found):.0f}" for path, found in taken.items())
    yield Row(
        f"reads of the API meanwhile{what}, p99",
        f"{_p99(every):.0f} ms",
        "<= 200 ms",
        f"median {statistics.median(every):.0f} ms of {len(every)}; p99 of each: {slow}",
    )
    words = [f"{n} {m[0]:.0f}, {m[len(m) // 2]:.0f}, {m[-1]:.0f}" for n, m in memory.items()]
    yield Row(f"memory{what}, MB: before, halfway, at the end", "; ".join(words), "flat")


@contextmanager
def watched(client: httpx.Client, jobs: list[str]) -> Iterator[tuple[dict[str, int], Taken]]:
    """Viewers and a reader beside the block: points seen by job, and how long reads took, filled
    in at the end. The viewers leave when their jobs have ended; the reader is a process of its
    own, or it would wait for their turns at the interpreter."""
    spawn = multiprocessing.get_context("spawn")
    over, answers = spawn.Event(), spawn.SimpleQueue()
    seen, taken = dict.fromkeys(jobs, 0), Taken()
    base, token = str(client.base_url), client.headers["Authorization"]
    reader = spawn.Process(target=read, args=(base, token, jobs, over, answers))
    threads = [threading.Thread(target=view, args=(client, job, seen)) for job in jobs[:VIEWERS]]
    for one in (reader, *threads):
        one.start()
    try:
        yield seen, taken
    finally:
        over.set()
        taken |= answers.get()
        for one in (reader, *threads):
            one.join()


def told(
    url: str, jobs: list[str], rate: int, seconds: float, pids: dict[str, int]
) -> dict[str, list[float]]:
    """Have all points told; the memory of the processes meanwhile, by name."""
    memory = {name: [_memory(pid)] for name, pid in pids.items()}
    spawn = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as spill:
        shares = [jobs[index::TELLERS] for index in range(TELLERS)]
        asked = [(url, share, _events(rate, seconds), seconds, spill) for share in shares]
        tellers = [spawn.Process(target=tell, args=one) for one in asked]
        for teller in tellers:
            teller.start()
        while any(teller.is_alive() for teller in tellers):
            time.sleep(min(1.0, seconds / 10))
            for name, pid in pids.items():
                memory[name].append(_memory(pid))
    return memory


def _events(rate: int, seconds: float) -> int:
    """Of each job, each with a point of every name."""
    return int(rate * seconds / NAMES / JOBS)


def tell(url: str, jobs: list[str], events: int, seconds: float, spill: str) -> None:
    """Run in a process of its own: the workers of some jobs."""
    with closing(redis.Redis.from_url(url)) as client:
        tellers = {job: Teller(job, 1, "bench") for job in jobs}
        sinks = {job: RedisStream(client, job, Path(spill) / job) for job in jobs}
        for job in jobs:
            client.set(lease_key(job), lease_value(1, "bench"), ex=7200)
            client.xadd(BELL, {"job": job})
            sinks[job].put(tellers[job].started("cpu", events, 1.0, "bench"))
        began, done = time.perf_counter(), 0
        while done < events:
            due = min(events, int((time.perf_counter() - began) / seconds * events))
            for step in range(done, due):
                values = {f"series/{index}": step + index / 10 for index in range(NAMES)}
                for job in jobs:
                    sinks[job].put(tellers[job].measured(step, step / events, values))
            done = max(done, due)
            time.sleep(TICK_S)
        for job in jobs:
            sinks[job].put(tellers[job].finished(events))
            sinks[job].close(lambda pipe, job=job: pipe.delete(lease_key(job)))


def view(client: httpx.Client, job: str, seen: dict[str, int]) -> None:
    """Count the points of an event stream until its job has ended."""
    where = f"{client.base_url}events?jobs={job}"
    with httpx.stream("GET", where, headers=client.headers, timeout=600) as answer:
        for line in answer.iter_lines():
            if line.startswith("data:"):
                seen[job] += line.count('"seq"')
                if '"state":"succeeded"' in line:
                    return


def read(base: str, token: str, jobs: list[str], over: Event, answers: SimpleQueue[Taken]) -> None:
    """Run in a process of its own: what pages ask, ten times a second, until `over`."""
    series = f"/jobs/{jobs[1]}/measurements?name=series/1&points=1000"
    paths = {"jobs": "/jobs?limit=50", "job": f"/jobs/{jobs[0]}", "workers": "/workers"}
    taken: Taken = {name: [] for name in (*paths, "series")}
    try:
        with httpx.Client(base_url=base, headers={"Authorization": token}, timeout=60) as client:
            for name, path in cycle({**paths, "series": series}.items()):
                if over.wait(0.1):
                    break
                began = time.perf_counter()
                client.get(path).raise_for_status()
                taken[name].append(1000 * (time.perf_counter() - began))
    finally:  # whoever waits for them need not wait for ever
        answers.put(taken)


def _p99(taken: list[float]) -> float:
    return sorted(taken)[int(0.99 * len(taken))]


def _memory(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _all_over(client: httpx.Client, jobs: list[str]) -> bool:
    return all(client.get(f"/jobs/{job}").json()["state"] == "succeeded" for job in jobs)


def _stored(env: dict[str, str], jobs: list[str]) -> int:
    """Points in the database, each counted once."""
    query = "SELECT count(DISTINCT point.series || ':' || seq) FROM point"
    query += " JOIN series ON series.id = point.series WHERE job IN (" + ",".join("?" * JOBS) + ")"
    file = Path(env["NORMSCOPE_DATA_DIR"]) / "normscope.sqlite"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        return int(database.execute(query, jobs).fetchone()[0])
