"""How long and how large an attempt may become before its job fails with the reason."""

from __future__ import annotations

import time

import psutil

from worker.contract.settings import Settings

LOOK_S = 0.5
MB = 2**20


class Limits:
    """Asked before every step; looks at the memory now and then."""

    def __init__(self, settings: Settings) -> None:
        self.seconds, self.megabytes = settings.attempt_limit_s, settings.memory_limit_mb
        self._began = time.monotonic()
        self._look = self._began
        self._process = psutil.Process()

    def check(self) -> None:
        """Raises LabError: "time_limit", "memory_limit"."""
        now = time.monotonic()
        if self.seconds is not None and now - self._began > self.seconds:
            raise _beyond("time_limit", f"it ran longer than {self.seconds:g} s")
        if self.megabytes is not None and now >= self._look:
            self._look = now + LOOK_S
            used = self._process.memory_info().rss // MB
            if used > self.megabytes:
                told = f"its process took {used} MB of memory, of {self.megabytes} that it may"
                raise _beyond("memory_limit", told)


def _beyond(code: str, told: str) -> Exception:
    # The lab brings PyTorch, which the process that only hands out jobs must not load.
    from worker.lab.core.errors import LabError

    return LabError(code, told)
