"""Memory that is freed is there again without a page fault."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
import torch
from worker.lab.core.allocator import keep_freed_memory
{call}
def step(): torch.ones(10_000_000)  # beyond what glibc ever keeps by itself
for _ in range(20): step()  # until it has settled
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20): step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_a_step_takes_no_page_faults_once_memory_is_kept() -> None:
    """In processes of their own, for it cannot be undone."""
    usual, kept = (
        int(subprocess.check_output([sys.executable, "-c", FAULTS.format(call=call)]))
        for call in ("", "keep_freed_memory()")
    )
    assert usual > 100
    assert kept < usual / 10
