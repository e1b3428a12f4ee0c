"""Where a reader is in what jobs tell: `attempt.seq` for one job, `a:1.5,b:2.7` for several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_ONE = re.compile(r"(?P<attempt>[0-9]{1,9})\.(?P<seq>[0-9]{1,15})")
_JOB = re.compile(r"[A-Za-z0-9_-]{1,32}")


@dataclass(frozen=True, order=True)
class Cursor:
    """Everything up to this has been seen. Ordered by attempt, then by number."""

    attempt: int = 0
    seq: int = 0

    def __str__(self) -> str:
        return f"{self.attempt}.{self.seq}" if self.attempt else "0"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """ValueError where the text is none."""
        if text == "0":
            return cls()
        found = _ONE.fullmatch(text)
        if found is None:
            raise ValueError("a cursor is attempt.seq, or 0")
        return cls(int(found["attempt"]), int(found["seq"]))


def parse_many(text: str) -> dict[str, Cursor]:
    """Cursors by job; ValueError where the text is something else."""
    found: dict[str, Cursor] = {}
    for part in text.split(","):
        job, _, cursor = part.strip().partition(":")
        if not _JOB.fullmatch(job):
            raise ValueError("cursors are written job:attempt.seq, by commas")
        found[job] = Cursor.parse(cursor)
    return found


def format_many(cursors: Mapping[str, Cursor]) -> str:
    return ",".join(f"{job}:{cursor}" for job, cursor in cursors.items())
