"""Keep one process of the Procfile running, and never longer than the supervisor.

    python -m backend.local.keep NAME -- COMMAND...

Its output goes to the log file of its name. A process that ends is started again. One that ends by
itself soon after its start, five times in a row, is given up, and its log is named; one that others
kill never is. What an earlier keeper that was killed left running is ended first.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil

TOO_MANY, SOON_S = 5, 30.0
GRACE_S = 4.0
PR_SET_PDEATHSIG = 1


def main(name: str, command: list[str]) -> int:
    """Run the command until asked to stop (0) or until it is hopeless (1)."""
    supervisor = int(os.environ["NORMSCOPE_SUPERVISOR"])
    log = Path(os.environ["NORMSCOPE_LOGS"]) / f"{name}.log"
    note = log.with_suffix(".pid")
    asked = asked_to_stop()
    in_a_row = 0

    def stop() -> bool:
        return asked() or not alive(supervisor)

    end_leftover(note)
    while not stop():
        began = time.monotonic()
        with log.open("ab") as out:
            code = run_once(command, out.fileno(), note, stop)
        if stop():
            break
        soon = time.monotonic() - began < SOON_S
        in_a_row = in_a_row + 1 if soon and code != -signal.SIGKILL else 0
        print(f"{name} ended with {code}; starting it again", flush=True)
        if in_a_row >= TOO_MANY:
            print(f"{name} keeps ending; its log is {log}", flush=True)
            return 1
        time.sleep(0.2 * (in_a_row + 1))
    return 0


def asked_to_stop() -> Callable[[], bool]:
    """Whether SIGTERM, SIGINT or SIGHUP came."""
    came: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        came.append(signum)

    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, note)
    return lambda: bool(came)


def run_once(command: list[str], out: int, note: Path, stop: Callable[[], bool]) -> int:
    """The command's exit code; ends it, politely first, when `stop()` says so. While it runs, the
    note tells which process it is."""
    child = subprocess.Popen(
        command,
        stdout=out,
        stderr=out,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
    note.write_text(f"{child.pid} {born(child.pid)}")
    while child.poll() is None and not stop():
        wait(child, 0.2)
    if child.poll() is None:
        child.terminate()
        wait(child, GRACE_S)
    end_group(child.pid)
    note.unlink(missing_ok=True)
    return child.wait()


def end_leftover(note: Path) -> None:
    """End the process that the note tells of, if it is still the same."""
    try:
        pid, began = note.read_text().split()
    except (OSError, ValueError):
        return
    if born(int(pid)) != float(began):
        return
    if sys.platform != "linux":  # see die_with_parent
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while alive(int(pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    end_group(int(pid))


def born(pid: int) -> float:
    """When the process began: a number may name another process later. 0 if there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def wait(child: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(seconds)


def end_group(pid: int) -> None:
    """End what the process left of its own session, itself included."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def die_with_parent() -> None:
    """On Linux the kernel ends the process when its keeper is killed; elsewhere there is none."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not waited for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[3:]))
