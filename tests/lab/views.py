"""Diagnostics by themselves: a view of any network, and all that is read there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from worker.contract.measurement import Shape, encoded
from worker.lab.core.diagnostic import Diagnostic, View
from worker.lab.core.layers import Layers
from worker.lab.core.task import Task

# Tests run side by side: threads of small operations would wait for each other.
torch.set_num_threads(1)


def view(model: nn.Module, task: Task, **more: Any) -> View:
    """Of a network in eval mode, with the first training examples as its batch."""
    model.eval()
    head = task.train.head(32)
    with torch.no_grad():
        logits = model(head.x)
    generator = torch.Generator().manual_seed(0)
    return View(model, task, Layers.of(model), head.x, head.y, logits, None, generator, **more)


@torch.no_grad()
def readings(name: str, at: View, **params: Any) -> dict[str, Any]:
    """Everything that a diagnostic surveys and studies, without `diagnostic/<name>/`."""
    found = Diagnostic.of({"name": name, **params})
    values = dict(found.measure(at)) | dict(found.survey(at)) | dict(found.study(at))
    return {
        key.removeprefix(f"diagnostic/{name}/"): (
            encoded(value) if isinstance(value, Shape) else float(value)
        )
        for key, value in values.items()
    }
