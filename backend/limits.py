"""How much one token may ask for: requests a second, and computation that waits or runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from backend.errors import Problem

BURST_S = 10.0
"""Seconds' worth of requests that may come at once."""
MOST_KEPT = 1000


class Buckets:
    """A bucket of requests for each name, which fills at `rate` a second."""

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._now = rate, now
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """One request of the name's. Raises Problem 429 where its bucket is empty."""
        now, full = self._now(), max(1.0, self._rate * BURST_S)
        left, at = self._left.get(name, (full, now))
        left = min(full, left + (now - at) * self._rate)
        self._left[name] = max(left - 1, 0.0) if left >= 1 else left, now
        if len(self._left) > MOST_KEPT:
            self._left.clear()
        if left < 1:
            wait = math.ceil((1 - left) / self._rate)
            detail = f"{name} asks more often than {self._rate:g} times a second."
            raise Problem(429, detail, headers={"Retry-After": str(wait)})
