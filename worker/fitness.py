"""Whether a worker has the GPU that it is meant to have; while it has not, it takes no jobs."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from worker.broker import connect
from worker.contract.settings import Settings
from worker.gpu import Gpu, look
from worker.presence import Presence

LOOK_S, REAPED_S = 10.0, 5.0
REASON = "its GPU does not answer"


def wait_for_gpu(settings: Settings, every_s: float = LOOK_S) -> Gpu | None:
    """The worker's GPU, or None where it needs none. One that has to be there is waited for, under
    a card that says so."""
    if settings.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for the processes that run jobs
        return None
    gpu = look()
    if gpu is None and settings.device == "cuda":
        print(f"worker: {REASON}; it takes no jobs", flush=True)
        with _lost(settings):
            while (gpu := look()) is None:
                time.sleep(every_s)
    return gpu


@contextmanager
def _lost(settings: Settings) -> Iterator[None]:
    """A card that says so is shown, and taken away even when a signal ends the process."""
    assert settings.redis_url is not None
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    client = connect(settings.redis_url)
    presence = Presence(client, "cuda", None, kind="cuda", state="lost", reason=REASON)
    try:
        yield
    finally:
        presence.close()
        client.close()
        signal.signal(signal.SIGTERM, before)


def leave_without_gpu(hand_back: Callable[[], None], every_s: float = LOOK_S) -> None:
    """Return never: once the GPU is gone, jobs are handed back and the worker begins anew, to wait
    until it is there again. Its processes could not use it any more even then."""
    while look() is not None:
        time.sleep(every_s)
    print(f"worker: {REASON}; its jobs are handed back", flush=True)
    hand_back()
    left = psutil.Process().children(recursive=True)
    for process in left:
        process.kill()
    psutil.wait_procs(left, REAPED_S)
    os.environ["NORMSCOPE_DEVICE"] = "cuda"
    os.execv(sys.executable, [sys.executable, "-m", "worker.serve"])
