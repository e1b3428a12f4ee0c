"""What watching costs: training with every default curve streaming, against a bare loop.

Both sides build the same network and optimizer from the same seed, compute on as many threads and
run in turns;
the watched side streams to a real broker. The first figure is the ratio of steps a second while
training, measuring on test data included, so 1 is free; the note adds what the evaluation of the
whole test split at the end makes of it. Runs of 4,600 and 4,690 steps: in shorter ones the least
of 200 points a run costs a greater share.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from bench.table import Row
from tests.broker import running_broker
from worker.broker import connect
from worker.contract.events import Finished, Measured, Started, Teller
from worker.contract.settings import Settings
from worker.contract.spec import TrainSpec
from worker.contract.wire import stream_key
from worker.lab.core import device as devices
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
    "epochs": 200,
}
MNIST: dict[str, Any] = {
    "dataset": {"name": "mnist"},
    "model": {"name": "cnn"},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 5,
}


def rows() -> Iterator[Row]:
    folder = Settings.from_env().datasets_dir
    with TemporaryDirectory() as data, running_broker(Path(data)) as broker:
        yield from compare("digits-mlp", DIGITS, folder, broker.url, ">= 0.90", 9)
        if folder and (folder / "mnist").is_dir():
            yield from compare("mnist-cnn", MNIST, folder, broker.url, ">= 0.95", 3)
        else:
            yield Row("training, mnist-cnn", "not run", "", "set NORMSCOPE_DATASETS_DIR")


def compare(
    name: str, spec: dict[str, Any], folder: Path | None, url: str, goal: str, turns: int
) -> Iterator[Row]:
    """The throughput ratio at `auto`, and at every step."""
    task = Dataset.of(spec["dataset"]).load(folder)
    for log_every, hope, count in (("auto", goal, turns), (1, "", turns // 3)):
        parsed = TrainSpec.model_validate({**spec, "log_every": log_every})
        bare(parsed, task)
        pairs = [(bare(parsed, task), streamed(parsed, folder, url)) for _ in range(count)]
        ratios = sorted(watched.rate / rate for rate, watched in pairs)
        whole = statistics.median(watched.whole / rate for rate, watched in pairs)
        yield Row(
            f"training throughput, {name}, log_every {log_every}",
            f"{statistics.median(ratios):.3f} of bare loop",
            hope,
            f"{ratios[0]:.3f}-{ratios[-1]:.3f}; {whole:.3f} with the evaluation at the end;"
            f" bare {statistics.median(rate for rate, _ in pairs):.0f} steps/s",
        )


@dataclass(frozen=True)
class Watched:
    """Steps a second until the last measured step, and with the end's evaluation."""

    rate: float
    whole: float


def streamed(spec: TrainSpec, folder: Path | None, url: str) -> Watched:
    """A run as a worker does it, to a real broker."""
    steps = last = 0
    began = reached = ended = 0.0
    with closing(connect(url)) as client, TemporaryDirectory() as spill:
        sink = RedisStream(client, "bench", Path(spill) / "waiting.jsonl")
        for event in fit(spec, Teller("bench"), datasets=folder):
            if isinstance(event, Started):
                began, steps = time.perf_counter(), event.steps
            elif isinstance(event, Measured) and event.step < steps:
                reached, last = time.perf_counter(), event.step
            elif isinstance(event, Finished):
                ended = time.perf_counter()
            sink.put(event)
        sink.close()
        client.delete(stream_key("bench"))
    return Watched(last / (reached - began), steps / (ended - began))


def bare(spec: TrainSpec, task: Task) -> float:
    """Steps a second of the same training, nothing measured: shuffle, forward, backward, step."""
    torch.manual_seed(spec.seed)
    network = Model.of(spec.model)
    model = network.build(task)
    optimizer = Optimizer.of(spec.optimizer).build(model)
    steps = 0
    with devices.threads(torch.device("cpu"), network.cost(task).macs * spec.batch_size):
        began = time.perf_counter()
        for _ in range(spec.epochs):
            for batch in torch.randperm(len(task.train)).split(spec.batch_size):
                loss = cross_entropy(model(task.train.x[batch]), task.train.y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                steps += 1
        return steps / (time.perf_counter() - began)
