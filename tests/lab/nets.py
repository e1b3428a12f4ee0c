"""A digits net that training code of ours had no part in, and nets built to be wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from worker.lab.core.dataset import Dataset
from worker.lab.core.model import Model, Normalize
from worker.lab.core.task import Split, Task

# Tests run side by side: threads of small operations would wait for each other, ten times slower.
torch.set_num_threads(1)


@cache
def digits() -> Task:
    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    y = torch.tensor(data.target)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
    x, y = x[order], y[order]
    train, test = Split(x[:1197], y[:1197]), Split(x[1197:], y[1197:])
    names = tuple("0123456789")
    return Task("digits", train, test, names, "image", (0.305,), (0.376,))


@cache
def trained(seed: int = 0) -> nn.Sequential:
    """98 % right on the test split; never changed by a test."""
    task = digits()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            Normalize(task.mean, task.std, 3),
            nn.Flatten(),
            nn.Linear(64, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )
        descend(net, task.train, epochs=15)
    return net.eval()


def mnist(folder: Path) -> Task:
    """10,000 images to train on and 500 to attack."""
    task = Dataset.of({"name": "mnist", "examples": 10_000}).load(folder)
    return replace(task, test=task.test.head(500))


@cache
def mnist_trained(folder: Path) -> nn.Sequential:
    """97 % right or more; never changed by a test."""
    task = mnist(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Model.of({"name": "cnn"}).build(task)
        descend(net, task.train, epochs=3)
    assert float((net(task.test.x).argmax(1) == task.test.y).float().mean()) > 0.96
    return net.eval()


def descend(net: nn.Module, split: Split, epochs: int) -> None:
    optimizer = torch.optim.SGD(net.parameters(), 0.05, 0.9)
    for _ in range(epochs):
        for rows in torch.randperm(len(split)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(split.x[rows]), split.y[rows]).backward()
            optimizer.step()
    optimizer.zero_grad()


class Linear2(nn.Module):
    """Two classes, logits (0, w·x + b): everything about it is known in closed form."""

    def __init__(self, w: Tensor, b: float) -> None:
        super().__init__()
        self.w = nn.Parameter(w)
        self.b = b

    def forward(self, x: Tensor) -> Tensor:
        value = x.flatten(1) @ self.w + self.b
        return torch.stack([torch.zeros_like(value), value], 1)


class Quantised(nn.Module):
    """Rounds its inputs first: the gradient is zero everywhere, and yet noise moves it."""

    def __init__(self, net: nn.Module, levels: int) -> None:
        super().__init__()
        self.net, self.levels = net, levels

    def forward(self, x: Tensor) -> Tensor:
        rounded = (x * self.levels).round() / self.levels
        out: Tensor = self.net(rounded.detach())
        return out


class Confident(nn.Module):
    """Logits so large that float32's softmax is exactly one-hot."""

    def __init__(self, net: nn.Module, scale: float = 1000.0) -> None:
        super().__init__()
        self.net, self.scale = net, scale

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x) * self.scale
        return out
