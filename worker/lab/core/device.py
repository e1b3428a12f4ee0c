"""Where a run computes."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from worker.lab.core.allocator import keep_freed_memory
from worker.lab.core.errors import LabError

THREADS_FROM_MACS = 10_000_000
"""Multiply-adds of a forward pass, batch and all: about half a millisecond of one core."""


def choose(wanted: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """CUDA where there is one, else the CPU. LabError("no_device") if what is wanted is absent."""
    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise LabError("no_device", "this worker has no CUDA device; ask for device auto or cpu")
    return torch.device("cuda")


@contextmanager
def threads(device: torch.device, macs: int) -> Iterator[None]:
    """One thread on a CPU for steps of few multiply-adds, until the block ends; and memory that
    one step frees is kept for the next.

    Threads that share a small product wait for each other longer than they compute, and where
    others want the cores too, a hundred times longer.
    """
    keep_freed_memory()
    before = torch.get_num_threads()
    if device.type == "cpu" and macs < THREADS_FROM_MACS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def describe(device: torch.device) -> str:
    """What a page shows: "cpu (x86_64, 8 threads)", "cuda (NVIDIA …)"."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({platform.machine()}, {torch.get_num_threads()} threads)"
