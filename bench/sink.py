"""What handing a step's 10 scalars to the sink costs the loop, with broker and thread at work."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from bench.table import Row
from tests.broker import running_broker
from worker.broker import connect
from worker.contract.events import Teller
from worker.contract.wire import stream_key
from worker.sinks import Memory, RedisStream, Sink

SCALARS, STEPS, TURNS = 10, 1000, 5
VALUES = {f"measurement/{index}": 1 / (1 + index) for index in range(SCALARS)}


def rows() -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, running_broker(Path(folder)) as broker:
        client = connect(broker.url)
        handed: list[float] = []
        whole: dict[bool, float] = {True: 0.0, False: 0.0}
        for turn in range(2 * TURNS):
            streams = turn % 2 == 1
            job = f"bench{turn}"
            sink = RedisStream(client, job, Path(folder) / job) if streams else Memory()
            each, total = loop(sink, job)
            sink.close()
            whole[streams] += total
            if streams:
                handed += each
                client.delete(stream_key(job))
        client.close()
    handed.sort()
    p50, p95 = statistics.median(handed), handed[int(0.95 * len(handed))]
    extra = 1e3 * (whole[True] - whole[False]) / (STEPS * TURNS)
    step = 1e3 * whole[False] / (STEPS * TURNS)
    yield Row(
        "handing a step's 10 scalars to the sink, p50 / p95",
        f"{1e3 * p50:.4f} / {1e3 * p95:.4f} ms",
        "p95 <= 0.03 ms",
        f"a step of {step:.2f} ms grows by {extra:.3f} ms against a list",
    )


def loop(sink: Sink, job: str) -> tuple[list[float], float]:
    """A small network's training steps, each handed over: the seconds of each, and of all."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.rand(64, 64), torch.randint(10, (64,))
    tell = Teller(job)
    each: list[float] = []
    began = time.perf_counter()
    for step in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        at = time.perf_counter()
        sink.put(tell.measured(step, step / STEPS, VALUES))
        each.append(time.perf_counter() - at)
    return each, time.perf_counter() - began
