"""What each training method costs: a step with it against the same step with cross-entropy alone.

The network is the CNN at its defaults on random data in MNIST's shape, batch normalisation added
for methods that need it; methods are at their cards' defaults. Plain steps, steps with the
optimizer's own weight decay and steps with the method run in turns, and the figure is the median
ratio. Norm penalties must stay within 1.05 of weight decay.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import torch

from bench.table import Row
from worker.contract.spec import TrainSpec
from worker.lab.core import device as devices
from worker.lab.core.errors import LabError
from worker.lab.core.losses import Losses, backward
from worker.lab.core.method import Method
from worker.lab.core.model import Model
from worker.lab.core.point import Point
from worker.lab.core.registry import entries
from worker.lab.core.step import Step
from worker.lab.core.task import Split, Task

BATCH = TrainSpec.model_fields["batch_size"].default
TURNS, CLOSE_TURNS, STEPS = 60, 250, 2
"""`CLOSE_TURNS` of what is held to a few per cent."""
DECAY = 1e-3
PENALTIES: dict[str, list[dict[str, Any]]] = {
    "lp": [{}],
    "weissi": [{}, {"form": "product"}, {"direction": 1e-4}],
}
"""What must cost no more than weight decay, in each of its forms."""


def rows() -> Iterator[Row]:
    task = _random(16 * BATCH)
    for name in sorted(entries("method")):
        for params in PENALTIES.get(name, [{}]):
            what = " ".join([name, *(f"{key}={value}" for key, value in params.items())])
            try:
                yield _row(what, {"name": name, **params}, task)
            except LabError as error:
                yield Row(f"step of cnn, {what}", "refused", "", str(error))


def _row(what: str, choice: dict[str, Any], task: Task) -> Row:
    method = Method.of(choice)
    model = {"name": "cnn", "batch_norm": "batch_norm" in method.needs}
    plain, decayed = (_Side(model, [], task, decay) for decay in (0.0, DECAY))
    turns = CLOSE_TURNS if choice["name"] in PENALTIES else TURNS
    times = _in_turns(turns, plain, decayed, _Side(model, [method], task, 0.0))
    of_plain, of_decay = (_ratio(times[2], times[k]) for k in (0, 1))
    goal = "<= 1.05 of decay" if choice["name"] in PENALTIES else ""
    note = f"{of_decay:.3f} of weight decay; plain {1e3 * statistics.median(times[0]):.2f} ms"
    return Row(f"step of cnn, {what}", f"{of_plain:.3f} of plain", goal, note)


def _in_turns(turns: int, *sides: _Side) -> list[list[float]]:
    """Seconds a step of each side, turn by turn."""
    times: list[list[float]] = [[] for _ in sides]
    with devices.threads(torch.device("cpu"), BATCH * sides[0].macs):
        for side in sides:
            side()
        for _ in range(turns):
            for side, found in zip(sides, times, strict=True):
                began = time.perf_counter()
                for _ in range(STEPS):
                    side()
                found.append((time.perf_counter() - began) / STEPS)
    return times


def _ratio(mine: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(mine, theirs, strict=True))


class _Side:
    """A training that is stepped by calling it."""

    def __init__(
        self, model: dict[str, Any], methods: list[Method], task: Task, decay: float
    ) -> None:
        torch.manual_seed(0)
        network = Model.of(model)
        self.macs = network.cost(task).macs
        net: torch.nn.Module = network.build(task)
        for method in methods:
            net = method.prepare(net, task)
        learning = any(method.learns for method in methods)
        base = [] if learning else [Method.of({"name": "cross_entropy"})]
        self.model, self.task = net.train(), task
        self.losses = Losses([*base, *methods])
        self.optimizer = torch.optim.SGD(
            net.parameters(), 0.01, 0.9, weight_decay=decay, fused=True
        )
        self.generator = torch.Generator().manual_seed(0)
        self.index = 0

    def __call__(self) -> None:
        at = self.index % (len(self.task.train) // BATCH) * BATCH
        x, y = self.task.train.x[at : at + BATCH], self.task.train.y[at : at + BATCH]
        point = Point(x)
        step = Step(self.model, self.task, self.index, 1000, y, point, point, self.generator)
        step.epoch, step.optimizer = 16, self.optimizer
        roots, _ = self.losses.terms(step)
        backward(roots)
        self.optimizer.step()
        self.losses.project(self.model, step)
        for weight in self.model.parameters():
            weight.grad = None
        self.index += 1


def _random(count: int) -> Task:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(count, 1, 28, 28, generator=generator)
    split = Split(x, torch.randint(0, 10, (count,), generator=generator))
    return Task("random", split, split, tuple("0123456789"), "image", (0.5,), (0.3,))
