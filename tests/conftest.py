"""Tests run in parallel, so each process computes on one thread; processes they start do too."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
