"""An explorer to strike at: its processes by name, what is done to them, and patient questions."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis

from tests.backend.postgresql import Postgresql
from tests.e2e import explorer as e2e

FROZEN_S = 20.0
DOWN_S = 1.0
"""How long a killed database server stays down: nobody in the explorer keeps it."""
PATIENCE_S = 180.0
MOST_POINTS = 20_000
"""Of a name in one answer."""
KEPT = {"recorder": "recorder", "api": "api", "web": "web", "broker": "broker"}
"""Targets that are one process of the Procfile."""


@dataclass
class Stand:
    """A running explorer, and the database server beside it where it has one."""

    explorer: e2e.Explorer
    postgresql: Postgresql | None = None
    _thaws: list[threading.Thread] = field(default_factory=list)

    @property
    def data_dir(self) -> Path:
        return self.explorer.data_dir

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """What the API answers, asked again while something is away."""
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(httpx.HTTPError), self.explorer.client() as client:
                answer = client.request(method, path, timeout=5, **more)
                if answer.status_code < 500:
                    return answer.raise_for_status().json()
            assert time.monotonic() < until, f"{method} {path} is never answered"
            time.sleep(0.1)

    def post(self, body: dict[str, Any]) -> str:
        job: str = self.ask("POST", "/jobs", json=body)["id"]
        return job

    def job(self, id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"/jobs/{id}")
        return found

    def points(self, job: str, name: str, after: str = "0") -> list[dict[str, Any]]:
        """All of a name after a cursor, as the store tells them."""
        where = {"name": name, "after": after, "points": MOST_POINTS}
        found: list[dict[str, Any]] = self.ask("GET", f"/jobs/{job}/measurements", params=where)[
            "items"
        ]
        return found

    def history(self, job: str, name: str) -> list[dict[str, Any]]:
        """All of a name, however many: none is left out of a range of `MOST_POINTS` steps."""
        found: list[dict[str, Any]] = []
        for first in itertools.count(0, MOST_POINTS):
            where = {"name": name, "from": first, "to": first + MOST_POINTS - 1}
            path, most = f"/jobs/{job}/measurements", {"points": MOST_POINTS}
            part = self.ask("GET", path, params=where | most)["items"]
            if not part:
                return found
            found += part
        raise AssertionError

    def named(self, name: str) -> psutil.Process:
        """The process of a line of the Procfile."""
        pid, _ = (self.data_dir / "logs" / f"{name}.pid").read_text().split()
        return psutil.Process(int(pid))

    def children(self) -> list[psutil.Process]:
        """The processes that train and attack."""
        cards = self.ask("GET", "/workers")["items"]
        return [psutil.Process(card["pid"]) for card in cards]

    def struck(self, target: str) -> list[psutil.Process]:
        """The processes that a fault of the target means."""
        if target == "training child":
            return self.children()
        if target == "worker":
            return family(self.named("worker"))
        if target == "database":
            assert self.postgresql is not None
            assert self.postgresql.process is not None
            return family(psutil.Process(self.postgresql.process.pid))
        if target == "supervisor":
            return [psutil.Process(self.explorer.process.pid)]
        return [self.named(KEPT[target])]

    def strike(self, target: str, how: str, processes: list[psutil.Process]) -> None:
        """Do it; a frozen process is thawed by a thread."""
        if how == "SIGSTOP":
            send(processes, signal.SIGSTOP)
            self._later(lambda: send(processes, signal.SIGCONT))
        elif how == "locked":
            self._lock()
        elif how == "an hour":
            self._expire(3600)
        elif target == "database":
            assert self.postgresql is not None
            self.postgresql.stop(signal.SIGKILL if how == "SIGKILL" else signal.SIGINT)
            time.sleep(DOWN_S)
            self.postgresql.start()
        elif how == "SIGTERM" and target == "worker":
            send(processes[:1], signal.SIGTERM)
        else:
            send(processes, signal.Signals[how])
        if target == "supervisor" and how != "SIGSTOP":
            self._start_again()

    def _later(self, act: Any) -> None:
        def wait() -> None:
            time.sleep(FROZEN_S)
            act()

        self._thaws.append(threading.Thread(target=wait))
        self._thaws[-1].start()

    def _expire(self, seconds: int) -> None:
        """What a clock that jumps ahead does to a broker: all that has less time left is gone."""
        url = self.named("api").environ()["NORMSCOPE_REDIS_URL"]
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(count=1000):
                if 0 < client.pttl(key) < 1000 * seconds:
                    client.delete(key)

    def _lock(self) -> None:
        """Hold the database file as another program's long transaction would."""
        other = sqlite3.connect(
            self.data_dir / "normscope.sqlite", timeout=60, check_same_thread=False
        )
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE")

        def let_go() -> None:
            other.execute("ROLLBACK")
            other.close()

        self._later(let_go)

    def _start_again(self) -> None:
        """As a person would; `make run` waits for what the last one left."""
        self._over()
        ours = {name: value for name, value in self.explorer.env.items() if "NORMSCOPE" in name}
        del ours["NORMSCOPE_DATA_DIR"]
        until = time.monotonic() + 60
        while True:
            self.explorer = e2e.start(self.data_dir, **ours)
            try:
                e2e.wait_ready(self.explorer, 120)
                return
            except AssertionError:
                assert time.monotonic() < until, "it does not start again"
                self._over()
                time.sleep(0.5)

    def _over(self) -> None:
        """What was started last has ended, its output with it."""
        self.explorer.process.wait(60)
        if self.explorer.reader is not None:
            self.explorer.reader.join(60)

    def settle(self) -> None:
        """Until every fault is over and every process is there."""
        for thaw in self._thaws:
            thaw.join()
        self._thaws.clear()
        wanted = int(self.explorer.env["NORMSCOPE_WORKERS"])
        e2e.until(lambda: self._idle() >= wanted, PATIENCE_S, "the workers do not come back")

    def _idle(self) -> int:
        cards = self.ask("GET", "/workers")["items"]
        return sum(card["state"] == "idle" and psutil.pid_exists(card["pid"]) for card in cards)


def family(top: psutil.Process) -> list[psutil.Process]:
    return [top, *top.children(recursive=True)]


def send(processes: list[psutil.Process], signum: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
            os.kill(process.pid, signum)


@contextmanager
def standing(
    data_dir: Path, workers: int, postgresql: Postgresql | None = None, redis_url: str | None = None
) -> Iterator[Stand]:
    """An explorer whose trainings leave a state five times a second."""
    settings = {"NORMSCOPE_WORKERS": str(workers), "NORMSCOPE_CHECKPOINT_S": "0.2"}
    if redis_url is not None:
        settings["NORMSCOPE_REDIS_URL"] = redis_url
    if postgresql is not None:
        settings["NORMSCOPE_DATABASE_URL"] = postgresql.url
    explorer = e2e.start(data_dir, **settings)
    stand = Stand(explorer, postgresql)
    try:
        e2e.wait_ready(explorer, PATIENCE_S)
        stand.settle()
        yield stand
    finally:
        with contextlib.suppress(psutil.Error):
            send(stand.explorer.processes(), signal.SIGCONT)
        e2e.stop(stand.explorer, timeout=60)
