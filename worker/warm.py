"""Pay before the first job what a first job would pay: imports, first kernels, first data."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from worker.contract.events import Failed, Teller
from worker.contract.settings import Settings
from worker.contract.wire import Ticket
from worker.sinks import Memory

BATCH, CHANNELS, SIDE, REPEATS = 64, 16, 14, 5
SHARE = 0.6
"""Of a convolution's rate, what a whole training step reaches (`cnn` on one quiet core)."""
TINY = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [8]},
    "methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.001}],
    "epochs": 1,
    "batch_size": 512,
}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Warmth:
    """Where jobs run, and how fast networks are there."""

    device: str
    flops_per_s: float
    memory_bytes: int


def load(settings: Settings) -> Warmth:
    """PyTorch with its share of the cores, from then on jobs may come."""
    share_cores(settings.workers)
    return measured()


def rehearse(settings: Settings) -> None:
    """A tiny job, told to nobody. One that fails is no reason not to serve: jobs will say why."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            tiny_job(settings.model_copy(update={"data_dir": Path(folder)}))
    except Exception:
        logger.exception("warm-up failed")


def tiny_job(settings: Settings) -> None:
    from worker.runner import run

    sink = Memory()
    ticket = Ticket(job="warm", kind="train", attempt=1, spec=TINY)
    run(ticket, sink, lambda: False, settings, Teller("warm"))
    if sink.events and isinstance(ending := sink.events[-1], Failed):
        logger.warning("warm-up failed: %s", ending.message)


def share_cores(workers: int) -> None:
    """One core for the rest of the explorer, the others shared: threads that outnumber cores spend
    their time waiting for each other (on two busy cores a small network ran 12 to 18 times slower
    with two threads than with one)."""
    import torch

    torch.set_num_threads(max(1, (torch.get_num_threads() - 1) // workers))


def measured() -> Warmth:
    """The rate of a small network's convolution, forward and back, at its best of a few."""
    import torch

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    x = torch.ones(BATCH, CHANNELS, SIDE, SIDE, device=device, requires_grad=True)
    kernel = torch.ones(2 * CHANNELS, CHANNELS, 3, 3, device=device, requires_grad=True)
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        y = torch.nn.functional.conv2d(x, kernel, padding=1)
        float(torch.autograd.grad(y.sum(), [kernel, x])[1][0, 0, 0, 0])
        best = min(best, time.perf_counter() - began)
    name = f"cuda ({torch.cuda.get_device_name()})" if cuda else "cpu"
    memory = torch.cuda.mem_get_info()[1] if cuda else psutil.virtual_memory().total
    return Warmth(name, SHARE * 3 * 2 * BATCH * SIDE**2 * kernel.numel() / best, memory)
