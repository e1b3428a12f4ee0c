"""Streams into SQL: the only writer of measurements and of what workers tell of jobs.

python -m backend.recorder

It may be killed at any moment and be started twice: a job's rows, its state and its place in its
stream are one transaction, which begins by checking that the place is still the one it knows.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import orjson
from kombu.exceptions import OperationalError as QueueError
from pydantic import ValidationError
from redis.exceptions import RedisError
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend.documents import job_document
from backend.handing import hand_out
from backend.queue import Entries, Queue
from backend.reaper import LEASE_S, RESEND_S, Reaper
from backend.store import jobs, record
from backend.store.engine import Store, open_store
from backend.store.jobs import Row
from backend.tally import Tally
from worker.contract import traces
from worker.contract.settings import Settings
from worker.contract.wire import BELL, stream_key

log = logging.getLogger(__name__)

BLOCK_MS = 200
LOOK_S = 1.0
TRIM_S = 10.0
PROGRESS_S = 1.0
AWAY_S = 0.5
MOST_SERIES = 100_000
AWAY = (RedisError, QueueError, OperationalError, InterfaceError, PoolTimeout)
UNWRITABLE = (DataError, IntegrityError, OverflowError)
"""The fault of what is written; every other refusal is waited out, so that nothing is lost."""


class Recorder:
    """Follows the streams of all jobs that run, and looks after the rest once a second."""

    def __init__(
        self, store: Store, queue: Queue, lease_s: float = LEASE_S, resend_s: float = RESEND_S
    ) -> None:
        self.store, self.queue = store, queue
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self.reaper = Reaper(store, queue, self._tell, lease_s, resend_s)
        self.tally = Tally()
        self._bell = "0-0"
        self._places: dict[str, str] = {}
        self._series: record.SeriesIds = {}
        self._pending: dict[str, Row] = {}
        self._told_at: dict[str, float] = {}
        self._returned: dict[tuple[str, int], str | None] = {}
        self._looked = self._trimmed = 0.0
        self._freed = False

    def run(self, stop: threading.Event) -> None:
        """Until told to stop; whatever is away is waited for."""
        while not stop.is_set():
            try:
                self.turn()
            except AWAY as error:
                log.warning("waiting: %s", type(error).__name__)
                self.reaper.away()
                stop.wait(AWAY_S)
            except SQLAlchemyError:
                log.exception("the database refused")
                stop.wait(AWAY_S)

    def turn(self, block_ms: int = BLOCK_MS) -> None:
        """Record what there is, waiting for it a moment; once a second look after all jobs. What
        is recorded is trimmed before anything is told: a full broker refuses to be told."""
        due = time.monotonic() - self._looked >= LOOK_S
        if due:
            self._follow()
        keys = {stream_key(job): job for job in self._places}
        places = {key: self._places[job] for key, job in keys.items()}
        found = self.queue.tail({BELL: self._bell, **places}, block_ms)
        bells = found.pop(BELL, [])
        for key, entries in found.items():
            self._record(keys[key], entries)
        self._trim()
        self._start_again({keys[key] for key in found})
        if bells:
            self._answer(bells)
        if due:
            self._look()
        if due or self._freed:
            self._freed = False
            hand_out(self.store, self.queue)
        self._tell_progress()

    def _follow(self) -> None:
        with self.store.read() as connection:
            running = jobs.of_states(connection, ("running",))
        for row in running:
            self._places.setdefault(row["id"], row["stream_id"])

    def _look(self) -> None:
        with self.store.read() as connection:
            running = jobs.of_states(connection, ("running",))
            untold = jobs.unpublished(connection)
        for row in untold:
            self._tell(row)
        self.reaper.look(running)
        self.queue.show_recorder(self.name)
        self.queue.count(self.tally.due)
        self.tally.due.clear()
        self._looked = time.monotonic()

    def _trim(self) -> None:
        now = time.monotonic()
        if now - self._trimmed >= TRIM_S:
            self.queue.trim(self._places)
            self._trimmed = now

    def _answer(self, bells: Entries) -> None:
        """Follow the jobs that workers rang for."""
        new = {fields.get("job", "") for _, fields in bells} - set(self._places)
        with self.store.read() as connection:
            rows = jobs.unfinished(connection, new)
        self._places.update({row["id"]: row["stream_id"] for row in rows})
        for _, fields in bells:
            for how in ("handed_back", "lost"):
                if (attempt := fields.get(how, "")).isdecimal():
                    key = fields.get("job", ""), int(attempt)
                    self._returned[key] = fields.get("reason")
        self._bell = bells[-1][0]

    def _start_again(self, busy: set[str]) -> None:
        """Jobs that were given back, once all that their last attempt told is recorded."""
        for key in [key for key in self._returned if key[0] not in busy]:
            self.reaper.given_back(*key, self._returned[key])
            del self._returned[key]

    def _record(self, job: str, entries: Entries) -> None:
        """All entries at once; if the database refuses them, one by one without the bad ones. What
        an attempt tells first is traced."""
        trace = next((fields["trace"] for _, fields in entries if "trace" in fields), None)
        try:
            with traces.follow(trace, "record", job=job, entries=len(entries)):
                self._write(job, entries)
        except UNWRITABLE:
            log.exception("job %s: entries that cannot be written", job)
            for entry in entries:
                self._write_or_skip(job, entry)

    def _write_or_skip(self, job: str, entry: tuple[str, Mapping[str, str]]) -> None:
        try:
            self._write(job, [entry])
        except UNWRITABLE:
            self._write(job, [(entry[0], {})])

    def _write(self, job: str, entries: Entries) -> None:
        place = self._places[job]
        with self.store.write() as connection:
            row = record.locked(connection, job)
            if row is not None and row["stream_id"] == place:
                told = record.gather(row, [event for entry in entries for event in _events(entry)])
                row, fresh = record.write(connection, told, entries[-1][0], self._series)
            else:
                told, fresh = None, {}
        self._remember(fresh)
        if row is None:
            self._leave(job)
            return
        self._places[job] = row["stream_id"]  # perhaps another recorder's, who was faster
        if told is not None:
            self.tally.add(row, told.items)
            self._changed(row, told.notable)

    def _remember(self, fresh: record.SeriesIds) -> None:
        if len(self._series) > MOST_SERIES:
            self._series.clear()
        self._series.update(fresh)

    def _changed(self, row: Row, notable: bool) -> None:
        if notable:
            self._tell(row)
        else:
            self._pending[row["id"]] = row

    def _leave(self, job: str) -> None:
        for known in (self._places, self._pending, self._told_at):
            known.pop(job, None)
        self.tally.leave(job)
        self._series = {key: id for key, id in self._series.items() if key[0] != job}

    def _tell(self, row: Row) -> None:
        """Everybody who watches gets the job's document."""
        self.queue.publish([job_document(row)])
        self._pending.pop(row["id"], None)
        self._told_at[row["id"]] = time.monotonic()
        with self.store.write() as connection:
            jobs.published(connection, row)
        if row["state"] in jobs.ENDED:
            self._leave(row["id"])
            self.queue.expire(row["id"])
            self._freed = True

    def _tell_progress(self) -> None:
        """Progress alone is told once a second."""
        now = time.monotonic()
        due = [row for id, row in self._pending.items() if self._due(id, now)]
        if due:
            self.queue.publish(job_document(row) for row in due)
        for row in due:
            self._told_at[row["id"]] = now
            del self._pending[row["id"]]

    def _due(self, job: str, now: float) -> bool:
        return now - self._told_at.get(job, -PROGRESS_S) >= PROGRESS_S


def _events(entry: tuple[str, Mapping[str, str]]) -> list[Any]:
    try:
        found = orjson.loads(entry[1].get("events", "[]"))
    except ValueError:
        log.error("entry %s is not JSON", entry[0])
        return []
    return found if isinstance(found, list) else []


def main() -> int:
    try:
        settings = Settings.from_env()
    except ValidationError as error:
        first = error.errors()[0]
        return _refuse(f"NORMSCOPE_{str(first['loc'][0]).upper()}: {first['msg']}")
    if settings.redis_url is None:
        return _refuse("NORMSCOPE_REDIS_URL is not set; `make run` sets it")
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    return record_all(settings, settings.redis_url, stop)


def record_all(settings: Settings, url: str, stop: threading.Event) -> int:
    try:
        store = open_store(settings)
    except (SQLAlchemyError, OSError) as error:
        return _refuse(f"the database cannot be opened ({type(error).__name__})")
    queue = Queue(url)
    traces.begin("recorder")
    Recorder(store, queue).run(stop)
    queue.close()
    store.close()
    traces.end()
    return 0


def _refuse(reason: str) -> int:
    print(f"recorder: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
