"""How long and how large an attempt may become before its job fails with the reason."""

from __future__ import annotations

import time
from contextlib import suppress

import psutil

from worker.contract.settings import Settings

LOOK_S = 0.5
MB = 2**20


class Limits:
    """Asked before every step; looks at the memory now and then, of all processes that share the
    attempt."""

    def __init__(self, settings: Settings, processes: int = 1) -> None:
        self.seconds, self.megabytes = settings.attempt_limit_s, settings.memory_limit_mb
        self._began = time.monotonic()
        self._look = self._began
        self._process, self._alone = psutil.Process(), processes == 1

    def check(self) -> None:
        """Raises LabError: "time_limit", "memory_limit"."""
        now = time.monotonic()
        if self.seconds is not None and now - self._began > self.seconds:
            raise _beyond("time_limit", f"it ran longer than {self.seconds:g} s")
        if self.megabytes is not None and now >= self._look:
            self._look = now + LOOK_S
            used = self._used() // MB
            if used > self.megabytes:
                who = "its process" if self._alone else "its processes"
                told = f"{who} took {used} MB of memory, of {self.megabytes} that it may"
                raise _beyond("memory_limit", told)

    def _used(self) -> int:
        """What several processes share of their programs counts once."""
        used = int(self._process.memory_info().rss)
        for peer in [] if self._alone else self._process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                memory = peer.memory_info()
                used += max(0, memory.rss - getattr(memory, "shared", 0))
        return used


def _beyond(code: str, told: str) -> Exception:
    # The lab brings PyTorch, which the process that only hands out jobs must not load.
    from worker.lab.core.errors import LabError

    return LabError(code, told)
