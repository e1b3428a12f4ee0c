"""What workers told, written down: one transaction for a job's rows, its state and its cursor."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from backend.cursor import Cursor
from backend.store import artifacts, measurements
from backend.store.jobs import ENDED, Row
from backend.store.tables import job
from worker.contract.events import measurements as measured_items

log = logging.getLogger(__name__)

MOST_NOTES = 20
FACTS = ("measured", "saved", "noted")
"""Events that say nothing of the job's state."""

Events = Sequence[Mapping[str, Any]]
SeriesIds = dict[tuple[str, int, str], int]


@dataclass
class Told:
    """What events come to, for one job: changes of its row, measurements, files."""

    row: Row
    changes: dict[str, Any] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    saved: list[dict[str, Any]] = field(default_factory=list)

    def add(self, event: Mapping[str, Any]) -> None:
        """Take an event in that was not taken before. What a lost attempt told before the next
        one began is a fact: the state from which that one goes on may rest on it."""
        at = Cursor(int(event["attempt"]), int(event["seq"]))
        if at.attempt > self.now("attempt") or at <= self._cursor():
            return
        if at.attempt == self.now("attempt") or event["type"] in FACTS:
            getattr(self, f"_{event['type']}")(event)
        last = at.seq + max(1, len(event.get("values", ()))) - 1
        self.changes.update(told_attempt=at.attempt, told_seq=last)

    def now(self, name: str) -> Any:
        return self.changes.get(name, self.row[name])

    def _cursor(self) -> Cursor:
        return Cursor(self.now("told_attempt"), self.now("told_seq"))

    def _started(self, event: Mapping[str, Any]) -> None:
        at = float(event["time"])
        self.changes.update(
            worker=_text(event["worker"]),
            device=_text(event["device"]),
            steps=int(event["steps"]),
            epochs=float(event["epochs"]),
            catalogue=_text(event["catalogue"])[:64],
            info=dict(event["info"]) | self._notes(),
            attempt_at=at,
            started_at=self.now("started_at") or at,
        )
        if self.now("state") not in ENDED:
            self.changes["state"] = "running"

    def _measured(self, event: Mapping[str, Any]) -> None:
        found = [{**item, "name": _text(item["name"])} for item in measured_items(event)]
        for item in found:
            _column(item)
        self.items += found
        scalars = {item["name"]: item["value"] for item in found if item["shape"] == "scalar"}
        step, epoch = int(event["step"]), float(event["epoch"])
        self.changes.update(step=step, epoch=epoch, eta_s=self._left(step, float(event["time"])))
        self.changes["summary"] = {**self.now("summary"), **scalars}

    def _left(self, step: int, at: float) -> float | None:
        """Seconds that are left, if steps go on as they went in this attempt."""
        steps, began = self.now("steps"), self.now("attempt_at")
        done = step - int((self.now("info") or {}).get("resumed_at") or 0)
        if self.now("state") != "running" or not steps or done <= 0 or began is None:
            return None
        return float(round(max(0.0, at - began) / done * max(0, steps - step), 3))

    def _saved(self, event: Mapping[str, Any]) -> None:
        self.saved.append({**event, "name": _text(event["name"])})

    def _noted(self, event: Mapping[str, Any]) -> None:
        """The last few; they outlive the attempt that told them."""
        note: dict[str, Any] = {name: _text(event[name]) for name in ("code", "message")}
        note |= {name: int(event[name]) for name in ("step", "attempt")}
        notes = [*self._notes().get("notes", []), note][-MOST_NOTES:]
        self.changes["info"] = {**(self.now("info") or {}), "notes": notes}

    def _notes(self) -> dict[str, Any]:
        notes = (self.now("info") or {}).get("notes")
        return {"notes": notes} if notes else {}

    def _finished(self, event: Mapping[str, Any]) -> None:
        self._ended(event, str(event["state"]), message=_text(event["message"]))

    def _failed(self, event: Mapping[str, Any]) -> None:
        names = ("code", "message", "step", "details")
        self._ended(event, "failed", error={name: event[name] for name in names})

    def _ended(self, event: Mapping[str, Any], state: str, **how: Any) -> None:
        if self.now("state") in ENDED or state not in ENDED:
            return
        step = event["step"] if event["step"] is not None else self.now("step")
        self.changes.update(state=state, ended_at=float(event["time"]), eta_s=None, step=step)
        self.changes.update(how)

    @property
    def notable(self) -> bool:
        """Whether more changed than progress."""
        return bool(self.saved) or self.now("state") != self.row["state"] or "info" in self.changes


def _text(value: Any) -> str:
    """PostgreSQL holds no NUL in text."""
    return str(value).replace("\0", "")


def _column(item: Mapping[str, Any]) -> float | None:
    """A scalar as its column holds it; ValueError where it is no number at all."""
    if item["shape"] != "scalar":
        return None
    value: float = float(item["value"])
    return None if math.isnan(value) else value


def locked(connection: Connection, id: str) -> Row | None:
    """The job's row, held against other writers until the transaction ends."""
    query = select(job).where(job.c.id == id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def write(
    connection: Connection, told: Told, stream_id: str, known: SeriesIds
) -> tuple[Row, SeriesIds]:
    """Write all of it and the new place in the stream. Returns the row as it is now, and the
    ids of series that the caller may remember once the transaction is committed."""
    id = told.row["id"]
    fresh = _series(connection, told, known)
    points, shapes = [], []
    for item in told.items:
        key = (id, item["attempt"], item["name"])
        placed = {name: item[name] for name in ("seq", "step", "epoch", "time")}
        row = {"series": known.get(key) or fresh[key], **placed}
        if item["shape"] == "scalar":
            points.append({**row, "value": _column(item)})
        else:
            shapes.append({**row, "shape": item["shape"], "value": item["value"]})
    measurements.add(connection, points, shapes)
    for saved in told.saved:
        artifacts.save(connection, saved)
    changes = {**told.changes, "stream_id": stream_id}
    if told.notable:
        changes["published"] = False
    connection.execute(update(job).where(job.c.id == id).values(changes))
    return {**told.row, **changes}, fresh


def _series(connection: Connection, told: Told, known: SeriesIds) -> SeriesIds:
    id = told.row["id"]
    new: dict[int, set[str]] = {}
    for item in told.items:
        if (id, item["attempt"], item["name"]) not in known:
            new.setdefault(item["attempt"], set()).add(item["name"])
    return {
        (id, attempt, name): number
        for attempt, names in new.items()
        for name, number in measurements.add_series(connection, id, attempt, sorted(names)).items()
    }


def gather(row: Row, events: Events) -> Told:
    """What the events come to; one that cannot be read is logged and left out."""
    told = Told(row)
    for event in events:
        try:
            told.add(event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.error("an event of job %s cannot be read: %r", row["id"], error)
    return told
