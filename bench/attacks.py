"""PGD against foolbox's: the same network, images, budget and steps, in turns."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bench.table import Row
from worker.contract.settings import Settings
from worker.lab.attacks.pgd import Pgd
from worker.lab.core.dataset import Dataset
from worker.lab.core.task import Task

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its use of scipy.ndimage.filters
    import foolbox

TURNS = 3
STEPS, EPS, COUNT, BATCH = 40, 0.1, 2000, 125


def rows() -> Iterator[Row]:
    folder = Settings.from_env().datasets_dir
    if not folder or not (folder / "mnist").is_dir():
        yield Row("PGD, mnist ConvNet", "not run", "", "set NORMSCOPE_DATASETS_DIR")
        return
    task = Dataset.of({"name": "mnist"}).load(folder)
    net = trained(task)
    x, y = task.test.x[:COUNT], task.test.y[:COUNT]
    mine, theirs, left = [], [], (0.0, 0.0)
    for _ in range(TURNS):
        seconds, peers = timed_foolbox(net, x, y)
        theirs.append(seconds)
        seconds, ours = timed_ours(net, x, y)
        mine.append(seconds)
        left = ours, peers
    ratios = [a / b for a, b in zip(theirs, mine, strict=True)]
    yield Row(
        f"PGD {STEPS} steps, eps {EPS}, {COUNT} mnist images",
        f"{statistics.median(ratios):.2f} x foolbox",
        ">= 1.5",
        f"{statistics.median(mine):.2f} s and {statistics.median(theirs):.2f} s; "
        f"robust accuracy {left[0]:.3f} and {left[1]:.3f}",
    )


def trained(task: Task) -> nn.Module:
    """A ConvNet after a short training."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 49, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )
    optimizer = torch.optim.SGD(net.parameters(), 0.05, 0.9)
    for batch in torch.randperm(20_000).split(64):
        optimizer.zero_grad()
        cross_entropy(net(task.train.x[batch]), task.train.y[batch]).backward()
        optimizer.step()
    return net.eval()


def timed_ours(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Seconds and robust accuracy."""
    attack = Pgd(steps=STEPS, step_size=0.1, restarts=1, loss="ce")
    generator = torch.Generator().manual_seed(0)
    began = time.perf_counter()
    fooled = [
        attack.run(net, some, labels, eps=EPS, generator=generator).fooled
        for some, labels in zip(x.split(BATCH), y.split(BATCH), strict=True)
    ]
    return time.perf_counter() - began, 1 - float(torch.cat(fooled).float().mean())


def timed_foolbox(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Seconds and robust accuracy."""
    attack = foolbox.attacks.LinfPGD(steps=STEPS, rel_stepsize=0.1, random_start=True)
    peer = foolbox.PyTorchModel(net, bounds=(0, 1), device="cpu")
    began = time.perf_counter()
    fooled = [
        attack(peer, some, labels, epsilons=EPS)[2]
        for some, labels in zip(x.split(BATCH), y.split(BATCH), strict=True)
    ]
    return time.perf_counter() - began, 1 - float(torch.cat(fooled).float().mean())
