"""What becomes of jobs whose worker, message or patience was lost: looked at once a second."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from backend.handing import ticket
from backend.queue import Hold, Queue
from backend.store import attempts, jobs
from backend.store.engine import Store
from backend.store.jobs import Row
from worker.contract.wire import LEASE_MS, Needs

log = logging.getLogger(__name__)

Tell = Callable[[Row], None]

TERM_S, KILL_S, END_S = 5.0, 10.0, 12.0
"""After the wish to cancel: the first signal, the second, and the end whatever happens."""
RESEND_S = 15.0
LEASE_S = LEASE_MS / 1000
GONE_S = 2.0
"""How long a lease must be gone: its end may be told already, and not yet be read."""
ASLEEP_S = 5.0
"""Between two looks: nobody looked, and perhaps nobody ran."""


class Reaper:
    """Acts on unfinished jobs. `tell` is called with every job that it changed.

    A job is lost once the lease that was seen is gone: a dead worker's lapses after `lease_s`. A
    lease that was not seen, or not since the broker was away, may be taken again by a worker that
    lives, so that such a job is lost `lease_s` later.
    """

    def __init__(
        self,
        store: Store,
        queue: Queue,
        tell: Tell,
        lease_s: float = LEASE_S,
        resend_s: float = RESEND_S,
        gone_s: float = GONE_S,
    ) -> None:
        self.store, self.queue, self.tell = store, queue, tell
        self.lease_s, self.resend_s, self.gone_s = lease_s, resend_s, gone_s
        self._patience: dict[tuple[str, int], float] = {}
        self._looked = time.time()
        self._signals: dict[tuple[str, int], str] = {}
        self._wished: dict[tuple[str, int], float] = {}

    def look(self, running: list[Row]) -> None:
        """Given the jobs that are running: cancel harder, start again, send again."""
        holds = self.queue.holds(row["id"] for row in running)
        now = time.monotonic()
        self._notice_sleep()
        for row in running:
            hold, key = holds[row["id"]], (row["id"], row["attempt"])
            if _held(hold, row):
                self._patience[key] = now + self.gone_s
            if row["cancel_at"] is not None:
                self._press(row, hold.leased)
            elif now > self._patience.setdefault(key, now + self.lease_s):
                self.interrupt(row)
        here = {(row["id"], row["attempt"]) for row in running}
        self._patience = {key: at for key, at in self._patience.items() if key in here}
        self._signals = {key: name for key, name in self._signals.items() if key in here}
        self._wished = {key: at for key, at in self._wished.items() if key in here}
        self._send_again()

    def away(self) -> None:
        """The broker was: what was seen of leases says nothing any more."""
        self._patience.clear()

    def _notice_sleep(self) -> None:
        """A machine that slept finds all leases lapsed, before its workers can renew them."""
        before, self._looked = self._looked, time.time()
        if self._looked - before > ASLEEP_S:
            self.away()

    def interrupt(self, row: Row, *, counted: bool = True, reason: str = "") -> None:
        """The attempt is lost, or was handed back: start the next."""
        with self.store.write() as connection:
            changed = attempts.interrupt(connection, row, counted=counted, reason=reason)
        if changed is None:
            return
        log.warning("job %s, attempt %s: interrupted %s", row["id"], row["attempt"], reason)
        self.tell(changed)
        if changed["state"] == "interrupted":
            self.queue.send(ticket(changed))

    def given_back(self, id: str, attempt: int, lost: str | None) -> None:
        """A worker that stops gives its job back, or one that died `lost` it, with the reason."""
        with self.store.read() as connection:
            row = jobs.get(connection, id)
        if row is not None and row["attempt"] == attempt and row["state"] in jobs.UNFINISHED:
            self.interrupt(row, counted=lost is not None, reason=lost or "")

    def _press(self, row: Row, leased: bool) -> None:
        """A running job was asked to stop: signals, and the end."""
        key = (row["id"], row["attempt"])
        age = self._age(key, row["cancel_at"])
        wanted = "SIGKILL" if age >= KILL_S else "SIGTERM" if age >= TERM_S else None
        sent = self._signals.get(key)
        if wanted and sent and (not leased or age >= END_S):
            return self._end_cancelled(row, sent)
        if wanted and wanted != sent:
            self.queue.revoke(*key, wanted)
            self._signals[key] = wanted
        return None

    def _age(self, key: tuple[str, int], asked_at: float) -> float:
        """Seconds since the wish, which goes on evenly when somebody sets the clock."""
        now = time.monotonic()
        before = min(max(0.0, time.time() - asked_at), END_S)
        return now - self._wished.setdefault(key, now - before)

    def _end_cancelled(self, row: Row, signal: str) -> None:
        message = f"Cancelled: it did not stop by itself, and its process was sent {signal}."
        with self.store.write() as connection:
            changed = attempts.finish(connection, row, "cancelled", message)
        self.queue.release(row["id"])
        if changed is not None:
            self.tell(changed)

    def _send_again(self) -> None:
        """Jobs that wait while no message does: the broker lost theirs, or the worker that took it
        died before it told. One sent twice is harmless: the lease lets only one of them run."""
        with self.store.read() as connection:
            waiting = attempts.waiting_since(connection, time.time() - self.resend_s)
        silent = {needs for needs in {row["needs"] for row in waiting} if not self._waits(needs)}
        waiting = [row for row in waiting if row["needs"] in silent]
        if not waiting:
            return
        holds = self.queue.holds(row["id"] for row in waiting)
        idle = [row for row in waiting if not _held(holds[row["id"]], row)]
        begun = [row for row in idle if holds[row["id"]].begun >= row["attempt"]]
        for row in begun:
            self.interrupt(row)
        self._resend([row for row in idle if row not in begun])

    def _waits(self, needs: Needs) -> bool:
        """Whether a message for workers of such a kind is still to be taken."""
        return self.queue.waiting(needs) > 0

    def _resend(self, rows: list[Row]) -> None:
        for row in rows:
            self.queue.send(ticket(row))
        if rows:
            log.warning("%d waiting jobs were sent again", len(rows))
            with self.store.write() as connection:
                attempts.sent(connection, (row["id"] for row in rows))


def _held(hold: Hold, row: Row) -> bool:
    """Whether a worker has the attempt, or ended it and is not yet heard."""
    return hold.leased or hold.done >= row["attempt"]
