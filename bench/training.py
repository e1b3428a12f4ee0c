"""What watching costs: training with every default curve streaming, against a bare loop.

Both sides build the same network and optimizer from the same seed and compute on as many threads.
They run in turns of a second or less, the watched one waiting while the bare one steps, and the
figure is the median of the turns' ratios: neighbours who come and go disturb both alike. The
watched side streams to a real broker and measures on test data; the note tells how long the whole
test split takes at the end. In shorter runs the least of 200 points a run costs a greater share.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bench.table import Row
from tests.broker import running_broker
from worker.broker import connect
from worker.contract.events import AnyEvent, Finished, Measured, Started, Teller
from worker.contract.settings import Settings
from worker.contract.spec import TrainSpec
from worker.contract.wire import stream_key
from worker.lab.core.dataset import Dataset
from worker.lab.core.model import Model
from worker.lab.core.optimizer import Optimizer
from worker.lab.core.task import Task
from worker.lab.fit import fit
from worker.sinks import RedisStream

DIGITS: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [128, 128]},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 1000,
}
MNIST: dict[str, Any] = {
    "dataset": {"name": "mnist"},
    "model": {"name": "cnn"},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 3,
}


def rows() -> Iterator[Row]:
    folder = Settings.from_env().datasets_dir
    with TemporaryDirectory() as data, running_broker(Path(data)) as broker:
        yield from compare("digits-mlp", DIGITS, folder, broker.url, ">= 0.90", 500)
        if folder and (folder / "mnist").is_dir():
            yield from compare("mnist-cnn", MNIST, folder, broker.url, ">= 0.95", 60)
        else:
            yield Row("training, mnist-cnn", "not run", "", "set NORMSCOPE_DATASETS_DIR")


def compare(
    name: str, spec: dict[str, Any], folder: Path | None, url: str, goal: str, turn: int
) -> Iterator[Row]:
    """The throughput ratio at `auto`, and at every step, in turns of so many steps."""
    task = Dataset.of(spec["dataset"]).load(folder)
    for log_every, hope in (("auto", goal), (1, "")):
        parsed = TrainSpec.model_validate({**spec, "log_every": log_every})
        bare_s, watched_s, end_s = in_turns(parsed, task, folder, url, turn)
        ratios = [b / w for b, w in zip(bare_s, watched_s, strict=True)]
        low, middle, high = statistics.quantiles(ratios)
        yield Row(
            f"training throughput, {name}, log_every {log_every}",
            f"{middle:.3f} of bare loop",
            hope,
            f"half of {len(ratios)} turns within {low:.3f}-{high:.3f}; bare"
            f" {1 / statistics.median(bare_s):.0f} steps/s; evaluation at the end {end_s:.1f} s",
        )


def in_turns(
    spec: TrainSpec, task: Task, folder: Path | None, url: str, turn: int
) -> tuple[list[float], list[float], float]:
    """Seconds a step of the bare and of the watched side, turn by turn, and those of the end."""
    bare_s, watched_s = [], []
    alone, step, steps = bare(spec, task), 0, 0
    with closing(streamed(spec, folder, url)) as events:
        began = time.perf_counter()
        for event in events:
            if isinstance(event, Started):
                steps = event.steps
            if isinstance(event, Measured) and step + turn <= event.step < steps:
                watched_s.append((time.perf_counter() - began) / (event.step - step))
                bare_s.append(_seconds(alone, turn))
                step, began = event.step, time.perf_counter()
            elif isinstance(event, Measured) and event.step < steps:
                last = time.perf_counter()
            elif isinstance(event, Finished):
                return bare_s[1:], watched_s[1:], time.perf_counter() - last
    raise RuntimeError("the run did not finish")


def _seconds(steps: Iterator[None], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        next(steps)
    return (time.perf_counter() - began) / count


def streamed(spec: TrainSpec, folder: Path | None, url: str) -> Iterator[AnyEvent]:
    """A run as a worker does it, to a real broker."""
    with closing(connect(url)) as client, TemporaryDirectory() as spill:
        sink = RedisStream(client, "bench", Path(spill) / "waiting.jsonl")
        for event in fit(spec, Teller("bench"), datasets=folder):
            sink.put(event)
            yield event
        sink.close()
        client.delete(stream_key("bench"))


def bare(spec: TrainSpec, task: Task) -> Iterator[None]:
    """The same training for ever, nothing measured: shuffle, forward, backward, step."""
    torch.manual_seed(spec.seed)
    model = Model.of(spec.model).build(task)
    optimizer = Optimizer.of(spec.optimizer).build(model)
    for _ in itertools.count():
        for batch in torch.randperm(len(task.train)).split(spec.batch_size):
            loss = cross_entropy(model(task.train.x[batch]), task.train.y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield
