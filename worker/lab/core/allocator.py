"""Keeping the memory that a step frees for the next one."""

from __future__ import annotations

import ctypes
import platform
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Names of glibc's mallopt (malloc.h)."""

KEPT = 1 << 30
"""Bytes; a step of the networks here needs far less at a time."""


@cache
def keep_freed_memory() -> None:
    """Have glibc give nothing back to the system below a gigabyte, for the life of the process.

    By default it returns each step's activations and asks for them again: 1,000 to 2,000 page
    faults and a sixth of the time of a step of the CNN on MNIST. Elsewhere there is no glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(TRIM_THRESHOLD, KEPT)
        libc.mallopt(MMAP_THRESHOLD, KEPT)
