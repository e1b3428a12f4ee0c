"""What the recorder counts for whoever looks from outside: points, and how long steps take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

BOUNDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of the histogram of seconds a step."""
POINTS = "points"


class Steps(NamedTuple):
    """Of one kind of job: steps up to each bound and in all, and the seconds that all took."""

    buckets: list[tuple[str, float]]
    seconds: float

    @property
    def mean(self) -> float | None:
        steps = self.buckets[-1][1]
        return self.seconds / steps if steps else None


class Tally:
    """Sums since they were last taken away. Steps between two messages of a job count with their
    mean, for nobody tells of each."""

    def __init__(self) -> None:
        self.due: Counter[str] = Counter()
        self._last: dict[str, tuple[int, int, float]] = {}

    def add(self, job: Mapping[str, Any], items: list[dict[str, Any]]) -> None:
        """What a job measured, in order."""
        if not items:
            return
        self.due[POINTS] += len(items)
        first, last = items[0], items[-1]
        attempt, step, at = self._last.get(job["id"], (0, 0, 0.0))
        if attempt != last["attempt"]:
            step, at = first["step"], first["time"]
        steps, seconds = last["step"] - step, last["time"] - at
        if steps > 0 and seconds >= 0:
            self._count(job["kind"], steps, seconds)
        self._last[job["id"]] = last["attempt"], last["step"], last["time"]

    def _count(self, kind: str, steps: int, seconds: float) -> None:
        bound = next((bound for bound in BOUNDS if seconds / steps <= bound), None)
        self.due[f"steps {kind} {bound or '+Inf'}"] += steps
        self.due[f"seconds {kind}"] += seconds  # type: ignore[assignment]

    def leave(self, job: str) -> None:
        self._last.pop(job, None)


def steps(sums: Mapping[str, float], kind: str) -> Steps:
    """The histogram of a kind, from sums of what tallies counted."""
    total, buckets = 0.0, []
    for bound in (*map(str, BOUNDS), "+Inf"):
        total += sums.get(f"steps {kind} {bound}", 0.0)
        buckets.append((bound, total))
    return Steps(buckets, sums.get(f"seconds {kind}", 0.0))
