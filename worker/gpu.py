"""The GPU that this worker was given, as the driver knows it.

python -m worker.gpu

Asked in a process of its own: a driver that failed once goes on telling so whoever met the failure.
Without PyTorch, so that to ask costs a moment.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from typing import NamedTuple

DRIVER = "libcuda.so.1"
PATIENCE_S = 60.0
NAME_BYTES = 256


class Gpu(NamedTuple):
    """One that answers."""

    name: str
    memory_bytes: int


def look() -> Gpu | None:
    """The first one of CUDA_VISIBLE_DEVICES; None where none answers."""
    command = [sys.executable, "-m", "worker.gpu"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=True)
    except (subprocess.SubprocessError, OSError):
        return None
    told = json.loads(done.stdout)
    return Gpu(**told) if told else None


def first() -> Gpu | None:
    """As `look`, in this process."""
    try:
        cuda = ctypes.CDLL(DRIVER)
    except OSError:
        return None
    count, device = ctypes.c_int(), ctypes.c_int()
    name, memory = ctypes.create_string_buffer(NAME_BYTES), ctypes.c_size_t()
    asked: tuple[Callable[[], int], ...] = (
        lambda: cuda.cuInit(0),
        lambda: cuda.cuDeviceGetCount(ctypes.byref(count)),
        lambda: cuda.cuDeviceGet(ctypes.byref(device), 0),
        lambda: cuda.cuDeviceGetName(name, NAME_BYTES, device),
        lambda: cuda.cuDeviceTotalMem_v2(ctypes.byref(memory), device),
    )
    answers = all(ask() == 0 for ask in asked)
    return Gpu(name.value.decode(), memory.value) if answers and count.value else None


def main() -> int:
    gpu = first()
    print(json.dumps(gpu and gpu._asdict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
