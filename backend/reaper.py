"""What becomes of jobs whose worker, message or patience was lost: looked at once a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from backend.launch import ticket
from backend.queue import Queue
from backend.store import attempts, jobs
from backend.store.engine import Store
from backend.store.jobs import Row
from worker.contract.wire import LEASE_MS

log = logging.getLogger(__name__)

Tell = Callable[[Row], None]

TERM_S, KILL_S, END_S = 5.0, 10.0, 12.0
"""After the wish to cancel: the first signal, the second, and the end whatever happens."""
RESEND_S = 15.0


class Reaper:
    """Acts on unfinished jobs. `tell` is called with every job that it changed."""

    def __init__(
        self,
        store: Store,
        queue: Queue,
        tell: Tell,
        grace_s: float = LEASE_MS / 1000,
        resend_s: float = RESEND_S,
    ) -> None:
        self.store, self.queue, self.tell = store, queue, tell
        self.grace_s, self.resend_s = grace_s, resend_s
        self._held: dict[tuple[str, int], float] = {}
        self._signals: dict[tuple[str, int], str] = {}

    def look(self, running: list[Row]) -> None:
        """Given the jobs that are running: cancel harder, start again, send again."""
        leased = self.queue.leased(row["id"] for row in running)
        now = time.monotonic()
        for row in running:
            key = (row["id"], row["attempt"])
            if row["id"] in leased:
                self._held[key] = now
            if row["cancel_at"] is not None:
                self._press(row, row["id"] in leased)
            elif now - self._held.setdefault(key, now) > self.grace_s:
                self.interrupt(row)
        here = {(row["id"], row["attempt"]) for row in running}
        self._held = {key: at for key, at in self._held.items() if key in here}
        self._signals = {key: name for key, name in self._signals.items() if key in here}
        self._send_again()

    def interrupt(self, row: Row, *, counted: bool = True) -> None:
        """The attempt is lost, or was handed back: start the next."""
        with self.store.write() as connection:
            changed = attempts.interrupt(connection, row, counted=counted)
        if changed is None:
            return
        log.warning("job %s, attempt %s: interrupted", row["id"], row["attempt"])
        self.tell(changed)
        if changed["state"] == "interrupted":
            self.queue.send(ticket(changed))

    def handed_back(self, id: str, attempt: int) -> None:
        """A worker that stops gives its job back."""
        with self.store.read() as connection:
            row = jobs.get(connection, id)
        if row is not None and row["attempt"] == attempt and row["state"] in jobs.UNFINISHED:
            self.interrupt(row, counted=False)

    def _press(self, row: Row, leased: bool) -> None:
        """A running job was asked to stop: signals, and the end."""
        age = time.time() - row["cancel_at"]
        key = (row["id"], row["attempt"])
        wanted = "SIGKILL" if age >= KILL_S else "SIGTERM" if age >= TERM_S else None
        sent = self._signals.get(key)
        if wanted and sent and (not leased or age >= END_S):
            return self._end_cancelled(row, sent)
        if wanted and wanted != sent:
            self.queue.revoke(*key, wanted)
            self._signals[key] = wanted
        return None

    def _end_cancelled(self, row: Row, signal: str) -> None:
        message = f"Cancelled: it did not stop by itself, and its process was sent {signal}."
        with self.store.write() as connection:
            changed = attempts.finish(connection, row, "cancelled", message)
        self.queue.release(row["id"])
        if changed is not None:
            self.tell(changed)

    def _send_again(self) -> None:
        """Jobs that wait while no message does: the broker lost theirs. One sent twice is
        harmless, because the lease lets only one of them run."""
        with self.store.read() as connection:
            waiting = attempts.waiting_since(connection, time.time() - self.resend_s)
        if not waiting or self.queue.waiting():
            return
        leased = self.queue.leased(row["id"] for row in waiting)
        lost = [row for row in waiting if row["id"] not in leased]
        for row in lost:
            self.queue.send(ticket(row))
        if lost:
            log.warning("%d waiting jobs were sent again", len(lost))
            with self.store.write() as connection:
                attempts.sent(connection, (row["id"] for row in lost))
