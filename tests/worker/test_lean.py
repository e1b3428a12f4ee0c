"""Processes that hold nobody up: they start without PyTorch."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["worker.tasks", "worker.desk", "backend.app", "frontend.app"])
def test_it_starts_without_torch(module: str) -> None:
    """Two seconds of each start, and of each restart after a fault, would be its import."""
    asked = f"import sys, {module}; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], check=True, capture_output=True, text=True)
    assert told.stdout.split() == ["False"]
