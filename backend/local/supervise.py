"""Run a Procfile's processes, each under its keeper, and end them all together."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from backend.local.keep import GRACE_S, TOO_MANY, asked_to_stop

LOOK_S, WITHIN_S = 0.1, 60.0
GIVEN_UP = 1
LAST = "broker"
"""Ended when all others have: they tell it that they go."""

Keeper = subprocess.Popen[bytes]


class Supervisor:
    """Starts keepers, and starts again one that was killed; one that gives up ends all."""

    def __init__(self, procfile: Mapping[str, str], env: Mapping[str, str], log: IO[str]) -> None:
        self.procfile, self.env, self.log = procfile, env, log
        self._keepers: dict[str, Keeper] = {}
        self._ends: list[float] = []

    def run(self) -> bool:
        """Until a signal comes (True) or a process is hopeless (False)."""
        stop = asked_to_stop()
        for name in self.procfile:
            self._start(name)
        try:
            while not stop():
                time.sleep(LOOK_S)
                if any(not self._stands(name) for name in self.procfile):
                    return False
            return True
        finally:
            self._end()

    def _start(self, name: str) -> None:
        command = [sys.executable, "-m", "backend.local.keep", name, "--"]
        self._keepers[name] = subprocess.Popen(
            [*command, *shlex.split(self.procfile[name])],
            cwd=Path(__file__).resolve().parents[2],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def _stands(self, name: str) -> bool:
        """Whether the process is kept, perhaps by a new keeper."""
        code = self._keepers[name].poll()
        if code is None:
            return True
        now = time.monotonic()
        if code != -signal.SIGKILL:  # by itself
            self._ends = [at for at in self._ends if now - at < WITHIN_S] + [now]
        if code == GIVEN_UP or len(self._ends) >= TOO_MANY:
            return False
        print(f"the keeper of {name} ended with {code}; starting it again", file=self.log)
        self.log.flush()
        self._start(name)
        return True

    def _end(self) -> None:
        end([keeper for name, keeper in self._keepers.items() if name != LAST])
        end(list(self._keepers.values()))


def end(keepers: list[Keeper]) -> None:
    """Politely, then not."""
    for keeper in keepers:
        keeper.terminate()
    deadline = time.monotonic() + GRACE_S + 1
    for keeper in keepers:
        with contextlib.suppress(subprocess.TimeoutExpired):
            keeper.wait(max(0.0, deadline - time.monotonic()))
    for keeper in keepers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(keeper.pid, signal.SIGKILL)
        keeper.wait()


def processes(procfile: str) -> dict[str, str]:
    """Each line's name and command."""
    lines = [line.partition(": ") for line in procfile.splitlines() if line.strip()]
    return {name: command for name, _, command in lines}
