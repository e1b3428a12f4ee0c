"""A process that is told to go: at its job's next step or, if that takes too long, at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self


class Departure:
    """While it is open, a first SIGTERM is a wish: `wished`. A second one, sent by somebody or
    after `patience_s`, does what SIGTERM did before. For the main thread."""

    def __init__(self, patience_s: float) -> None:
        self.wished = False
        self._urged = threading.Timer(patience_s, os.kill, (os.getpid(), signal.SIGTERM))
        self._urged.daemon = True

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGTERM, self._told)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.begins()
        signal.signal(signal.SIGTERM, self._before)

    def begins(self) -> None:
        """The process is on its way: nothing need urge it."""
        self._urged.cancel()

    def _told(self, signum: int, frame: FrameType | None) -> None:
        if not self.wished:
            self.wished = True
            self._urged.start()
            return
        signal.signal(signal.SIGTERM, self._before)
        os.kill(os.getpid(), signal.SIGTERM)
