"""What the broker's streams tell viewers: measurements in batches, and states."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

from backend.cursor import Cursor
from worker.contract.events import measurements

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Measurements that one attempt of a job told together, in order; with the first of them, the
    trace that they belong to."""

    job: str
    attempt: int
    items: Sequence[Mapping[str, Any]]
    trace: str | None = None

    @property
    def last(self) -> Cursor:
        return Cursor(self.attempt, int(self.items[-1]["seq"]))

    @cached_property
    def data(self) -> bytes:
        """As JSON, made once for all viewers."""
        return orjson.dumps({"job": self.job, "attempt": self.attempt, "items": self.items})

    def beyond(self, cursor: Cursor) -> Batch | None:
        """What of it comes after the cursor; nothing of an older attempt."""
        if self.attempt < cursor.attempt or self.last <= cursor:
            return None
        if Cursor(self.attempt, int(self.items[0]["seq"])) > cursor:
            return self
        return Batch(self.job, self.attempt, [i for i in self.items if i["seq"] > cursor.seq])


@dataclass(frozen=True)
class State:
    """A job's document as JSON, and its place in the stream of states."""

    id: str
    job: str
    data: bytes


News = Batch | State


def batches(entries: Sequence[tuple[str, Mapping[str, str]]]) -> list[Batch]:
    """The measurements of stream entries, those of one attempt together, each once: an entry is
    told again where nobody knows whether the broker had it when it went."""
    found: list[tuple[str, int, list[Mapping[str, Any]]]] = []
    traces: dict[tuple[str, int], str | None] = {}
    for id, fields in entries:
        try:
            for event in orjson.loads(fields.get("events", "[]")):
                if event["type"] == "measured" and event["values"]:
                    job, attempt = event["job"], event["attempt"]
                    if not found or found[-1][:2] != (job, attempt):
                        found.append((job, attempt, []))
                    traces.setdefault((job, attempt), fields.get("trace"))
                    items = found[-1][2]
                    last = items[-1]["seq"] if items else 0
                    items.extend(item for item in measurements(event) if item["seq"] > last)
        except (ValueError, KeyError, TypeError, AttributeError):
            log.error("entry %s cannot be read", id)
    return [Batch(*told[:2], told[2], traces.pop(told[:2], None)) for told in found]


def state_of(entry: tuple[str, Mapping[str, str]]) -> State | None:
    data = entry[1].get("job", "").encode()
    try:
        return State(entry[0], str(orjson.loads(data)["id"]), data)
    except (ValueError, KeyError, TypeError):
        return None
