"""A small model on which any entry can be tried."""

from __future__ import annotations

from typing import Any

from worker.lab.core.registry import Spec


def fitting(*tried: type[Spec], hidden: tuple[int, ...] = (32,)) -> dict[str, Any]:
    """A choice of a multilayer perceptron that has what the entries need."""
    needs = {need for entry in tried for need in entry.needs}
    return {"name": "mlp", "hidden": list(hidden), "batch_norm": "batch_norm" in needs}
