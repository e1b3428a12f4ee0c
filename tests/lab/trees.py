"""Small residual networks with and without batch normalisation, random and in double precision."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.theory import cnn, doubled, mlp, task
from worker.lab.core.model import AvgPool, Normalize, Residual

SHAPE = (2, 6, 6)
CLASSES = 3
POINTS, IMAGES = task((5,), CLASSES), task(SHAPE, CLASSES)


def conv(
    inputs: int, outputs: int, norm: bool, kernel: int = 3, stride: int = 1
) -> list[nn.Module]:
    """A convolution, with a bias or followed by batch normalisation."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=not norm)
    return [layer, nn.BatchNorm2d(outputs)] if norm else [layer]


def resnet(norm: bool, seed: int = 0) -> nn.Sequential:
    """Stem, an identity block, a block with a projection of stride 2, head."""
    torch.manual_seed(seed)
    same = Residual(nn.Sequential(*conv(4, 5, norm), nn.ReLU(), *conv(5, 4, norm)), nn.Sequential())
    down = Residual(
        nn.Sequential(*conv(4, 6, norm, stride=2), nn.ReLU(), *conv(6, 6, norm)),
        nn.Sequential(*conv(4, 6, norm, kernel=1, stride=2)),
    )
    return _ready(
        [*conv(2, 4, norm), nn.ReLU(), same, nn.ReLU(), down, nn.ReLU(), AvgPool()],
        nn.Linear(6, CLASSES),
    )


def preact(seed: int = 0) -> nn.Sequential:
    """Batch normalisation before each convolution: the first of a block follows no layer."""
    torch.manual_seed(seed)
    path = [nn.BatchNorm2d(4), nn.ReLU(), *conv(4, 5, True), nn.ReLU(), nn.Conv2d(5, 4, 3, 1, 1)]
    block = Residual(nn.Sequential(*path), nn.Sequential())
    links = [nn.Conv2d(2, 4, 3, 1, 1), block, nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)]
    return _ready([*links, nn.Flatten()], nn.Linear(36, CLASSES))


def residual_mlp(seed: int = 0, bias: bool = True) -> nn.Sequential:
    """Stem, two blocks, head, all linear; inputs are points."""
    torch.manual_seed(seed)

    def block() -> Residual:
        inner = [nn.Linear(5, 7, bias=bias), nn.ReLU(), nn.Linear(7, 5, bias=bias)]
        return Residual(nn.Sequential(*inner), nn.Sequential())

    links = [nn.Linear(4, 5, bias=bias), nn.ReLU(), block(), nn.ReLU(), block(), nn.ReLU()]
    return nn.Sequential(*links, nn.Linear(5, CLASSES, bias=bias)).double().eval()


def trained(model: nn.Module, shape: tuple[int, ...], steps: int = 60) -> nn.Module:
    """Fitted to random labels, so that it is steep somewhere."""
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(24, *shape, dtype=torch.double, generator=generator)
    y = torch.arange(24) % CLASSES
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    optimizer.zero_grad()
    return model.eval()


def _ready(links: list[nn.Module], head: nn.Linear) -> nn.Sequential:
    model = nn.Sequential(Normalize((0.4, 0.5), (0.25, 0.3), 3), *links, head).double().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                _statistics(module)
    return model


def _statistics(norm: nn.BatchNorm2d) -> None:
    """Of a network that has seen data; gains of both signs."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    for tensor, low, high in (
        (norm.running_mean, -0.3, 0.3),
        (norm.running_var, 0.3, 2.0),
        (norm.weight, -1.5, 1.5),
        (norm.bias, -0.3, 0.3),
    ):
        tensor.uniform_(low, high)


def points(count: int, shape: tuple[int, ...], seed: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, *shape, dtype=torch.double, generator=generator)


def build(kind: str, seed: int) -> nn.Module:
    match kind:
        case "mlp" | "no biases":
            return doubled(mlp(POINTS, (8, 6), bias=kind == "mlp", seed=seed)).eval()
        case "cnn":
            return doubled(cnn(IMAGES, seed=seed)).eval()
        case "linear blocks":
            return residual_mlp(seed)
        case "batch norm first":
            return preact(seed)
    return resnet(kind == "batch norm", seed)


def shape(kind: str) -> tuple[int, ...]:
    return {"mlp": (5,), "no biases": (5,), "linear blocks": (4,)}.get(kind, SHAPE)
