"""When to measure: as often as it stays cheap, and often enough to see."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

MEASURE_SHARE, SURVEY_SHARE = 0.025, 0.01
"""Of training time, for `measure` (a batch's readings) and `survey` (test data, grids)."""
MEASURED_LEAST, MEASURED_MOST = 200, 10_000
SURVEYED_LEAST, SURVEYED_MOST = 10, 400
"""Points a run; the least wins over the shares, in runs that are short anyway."""


class Pace:
    """`log_every` as a number: measure every so many steps, survey at ends of epochs."""

    def __init__(self, every: int, survey_every: int) -> None:
        self.every, self.survey_every = every, survey_every

    def measures(self, step: int) -> bool:
        return step % self.every == 0

    def surveys(self, step: int) -> bool:
        return step % self.survey_every == 0

    def began(self, measured: bool) -> float:
        """A step begins; hand what this returns to `ended`."""
        return 0.0

    def ended(self, began: float, measured: bool) -> None:
        """A step ended, its survey not counted."""

    def surveyed(self, seconds: float) -> None:
        """A survey took so long."""

    def told(self, seconds: float, points: int) -> None:
        """Handing on some measured steps took so long."""


class Auto(Pace):
    """`log_every: auto`: both within their shares of the training time, by stop-watch."""

    def __init__(self, steps: int, wait: Callable[[], None] | None = None) -> None:
        """`wait` lets a device finish, so that the watch sees its time; None on a CPU."""
        self._shortest, self._longest = (
            max(1, steps / MEASURED_MOST),
            max(1, steps / MEASURED_LEAST),
        )
        self._soonest, self._latest = steps // SURVEYED_MOST, max(1, steps // SURVEYED_LEAST)
        super().__init__(1, self._latest)
        self._spacing = min(self._longest, 8.0)
        self._steps, self._wait = steps, wait
        self._next = 0.0
        self._surveyed_at = self._count = 0
        self._survey_ready = 0.0
        self._timing = False
        self._plain: deque[float] = deque(maxlen=64)
        self._measured: deque[float] = deque(maxlen=16)
        self._telling = 0.0

    def measures(self, step: int) -> bool:
        if step < self._next and step != self._steps - 1:
            return False
        self._count += 1
        self._adapt()
        # Spacings are no whole numbers, so that the fewest points are not up to twice as many.
        self._next = max(self._next + self._spacing, step + 1)
        return True

    def surveys(self, step: int) -> bool:
        since = step - self._surveyed_at
        early = since < self._soonest or time.perf_counter() < self._survey_ready
        if step and since < self._latest and early:
            return False
        self._surveyed_at = step
        return True

    def began(self, measured: bool) -> float:
        # A device is made to wait only now and then: at a measured step and the plain one after.
        self._timing = self._wait is None or (
            (self._count < 16 or self._count % 64 == 0) and (measured or self._timing)
        )
        if self._wait and self._timing:
            self._wait()
        return time.perf_counter()

    def ended(self, began: float, measured: bool) -> None:
        if self._wait and self._timing:
            self._wait()
        if self._timing and self._count > 2:  # the first steps pay for lazy initialisation
            (self._measured if measured else self._plain).append(time.perf_counter() - began)
        self._timing = measured

    def surveyed(self, seconds: float) -> None:
        self._survey_ready = time.perf_counter() + seconds / SURVEY_SHARE

    def told(self, seconds: float, points: int) -> None:
        self._telling += 0.2 * (seconds / points - self._telling)

    def _adapt(self) -> None:
        if len(self._plain) < 4 or len(self._measured) < 4:
            return
        plain = _median(self._plain)
        cost = max(0.0, _median(self._measured) - plain) + self._telling
        wanted = cost / (MEASURE_SHARE * plain)
        self._spacing = max(self._shortest, min(wanted, self._longest))


def _median(values: deque[float]) -> float:
    return sorted(values)[len(values) // 2]
