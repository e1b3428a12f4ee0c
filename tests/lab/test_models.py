"""Networks out of plans, against the same networks written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tests.lab.theory import task
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.model import Model, Residual
from worker.lab.core.task import Task

SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [16, 12]},
    "cnn": {"channels": [4, 6], "hidden": [8]},
    "vgg": {"width": 4},
    "resnet": {"width": 4, "blocks": 2},
    "preact_resnet": {"width": 4, "blocks": 2},
    "wide_resnet": {"widen": 2, "blocks": 2},
}


def images(side: int = 16, count: int = 24, classes: int = 4) -> Task:
    return task((3, side, side), classes, count)


def build(name: str, on: Task, **parameters: Any) -> nn.Sequential:
    torch.manual_seed(0)
    return Model.of({"name": name, **SMALL[name], **parameters}).build(on)


class Norm(nn.Module):
    """Batch normalisation, or nothing."""

    def __init__(self, channels: int, there: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels) if there else None

    def forward(self, x: Tensor) -> Tensor:
        return x if self.norm is None else self.norm(x)


def conv(come: int, out: int, stride: int = 1, size: int = 3, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(come, out, size, stride, size // 2, bias=bias)


class Basic(nn.Module):
    def __init__(self, come: int, out: int, stride: int, bn: bool) -> None:
        super().__init__()
        self.one, self.norm_one = conv(come, out, stride, bias=not bn), Norm(out, bn)
        self.two, self.norm_two = conv(out, out, bias=not bn), Norm(out, bn)
        self.changes = come != out
        if self.changes:
            self.way, self.norm_way = conv(come, out, stride, 1, not bn), Norm(out, bn)

    def forward(self, x: Tensor) -> Tensor:
        inside = F.relu(self.norm_one(self.one(x)))
        direct = self.norm_way(self.way(x)) if self.changes else x
        return F.relu(self.norm_two(self.two(inside)) + direct)


class Pre(nn.Module):
    def __init__(self, come: int, out: int, stride: int, bn: bool) -> None:
        super().__init__()
        self.norm_one, self.one = Norm(come, bn), conv(come, out, stride, bias=not bn)
        self.norm_two, self.two = Norm(out, bn), conv(out, out, bias=not bn)
        self.way = conv(come, out, stride, 1, not bn) if come != out else None

    def forward(self, x: Tensor) -> Tensor:
        ready = F.relu(self.norm_one(x))
        found: Tensor = self.two(F.relu(self.norm_two(self.one(ready))))
        return found + (x if self.way is None else self.way(ready))


class Handmade(nn.Module):
    """Stem, stages of blocks, and a linear layer on the means over pixels."""

    def __init__(
        self, kind: type[Basic | Pre], stem: int, stages: Sequence[int], blocks: int, bn: bool
    ) -> None:
        super().__init__()
        self.stem = conv(3, stem, bias=not bn)
        self.early = Norm(stem, bn and kind is Basic)
        rows, come = [], stem
        for number, out in enumerate(stages):
            for block in range(blocks):
                stride = 2 if number and not block else 1
                rows.append(kind(come, out, stride, bn))
                come = out
        self.rows, self.pre = nn.ModuleList(rows), kind is Pre
        self.late = Norm(come, bn and kind is Pre)
        self.last = nn.Linear(come, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.early(self.stem((x - 0.5) / 0.3))
        x = x if self.pre else F.relu(x)
        for row in self.rows:
            x = row(x)
        x = F.relu(self.late(x)) if self.pre else x
        return self.last(F.adaptive_avg_pool2d(x, 1).flatten(1))


class HandmadeVgg(nn.Module):
    def __init__(self, counts: Sequence[int], width: int, bn: bool) -> None:
        super().__init__()
        rows: list[nn.Module] = []
        come = 3
        for number, count in enumerate(counts):
            for _ in range(count):
                out = width * min(2**number, 8)
                rows += [conv(come, out), Norm(out, bn), nn.ReLU()]
                come = out
            rows.append(nn.MaxPool2d(2) if number < 4 else nn.AdaptiveAvgPool2d(1))
        self.rows, self.last = nn.Sequential(*rows), nn.Linear(come, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.rows((x - 0.5) / 0.3).flatten(1))


class HandmadeMlp(nn.Module):
    def __init__(self, bn: bool) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(768, 16), nn.Linear(16, 12), nn.Linear(12, 4)
        norms = [nn.BatchNorm1d(width) if bn else nn.Identity() for width in (16, 12)]
        self.norm_one, self.norm_two = norms

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm_one(self.one(((x - 0.5) / 0.3).flatten(1))))
        return self.three(F.relu(self.norm_two(self.two(x))))


class HandmadeCnn(nn.Module):
    def __init__(self, bn: bool) -> None:
        super().__init__()
        self.one, self.norm_one = conv(3, 4), Norm(4, bn)
        self.two, self.norm_two = conv(4, 6), Norm(6, bn)
        self.hidden = nn.Linear(6 * 16, 8)
        self.norm_hidden = nn.BatchNorm1d(8) if bn else nn.Identity()
        self.last = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm_one(self.one((x - 0.5) / 0.3))), 2)
        x = F.max_pool2d(F.relu(self.norm_two(self.two(x))), 2)
        return self.last(F.relu(self.norm_hidden(self.hidden(x.flatten(1)))))


def handmade(name: str, bn: bool) -> nn.Module:
    match name:
        case "mlp":
            return HandmadeMlp(bn)
        case "cnn":
            return HandmadeCnn(bn)
        case "vgg":
            return HandmadeVgg([1, 1, 2, 2, 2], 4, bn)
        case "resnet":
            return Handmade(Basic, 4, [4, 8, 16], 2, bn)
        case "preact_resnet":
            return Handmade(Pre, 4, [4, 8, 16, 32], 2, bn)
    return Handmade(Pre, 16, [32, 64, 128], 2, bn)


def copy_weights(source: nn.Module, into: nn.Module) -> None:
    """Kind by kind, in the order of each network: the fourth convolution's to the fourth's."""
    for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d):
        pairs = ([m for m in net.modules() if isinstance(m, kind)] for net in (source, into))
        for a, b in zip(*pairs, strict=True):
            b.load_state_dict(a.state_dict())


@torch.no_grad()
def stir(net: nn.Module) -> None:
    """Batch normalisation as it is after some training."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            for tensor in (module.weight, module.running_var):
                tensor.uniform_(0.5, 2)
            for tensor in (module.bias, module.running_mean):
                tensor.normal_()


@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_a_network_is_the_one_written_by_hand(name: str, bn: bool) -> None:
    on = images()
    net, twin = build(name, on, batch_norm=bn), handmade(name, bn)
    stir(net)
    copy_weights(net, twin)
    for train in (False, True):
        net.train(train)
        twin.train(train)
        assert torch.allclose(net(on.train.x), twin(on.train.x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bn", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_it_learns_from_its_first_weights(name: str, bn: bool) -> None:
    on = images(count=32)
    net = build(name, on, batch_norm=bn, **({"blocks": 1} if name == "wide_resnet" else {}))
    y = torch.arange(32) % 4
    means = torch.rand(4, *on.shape, generator=torch.Generator().manual_seed(5))
    x = (means[y] + on.train.x) / 2
    optimizer = torch.optim.Adam(net.parameters(), 0.005)
    first = float(F.cross_entropy(net(x), y).detach())
    assert 1 < first < 3, "knowing nothing, and not sure of it"
    for _ in range(60):
        loss = F.cross_entropy(net(x), y)
        if float(loss.detach()) < 0.4 * first:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"from {first} to {float(loss.detach())}")


VARIANTS: list[tuple[str, dict[str, Any], int]] = [
    ("vgg", {"depth": "11"}, 8 + 1),
    ("vgg", {"depth": "13", "batch_norm": True}, 10 + 1),
    ("vgg", {"depth": "16", "bias": False}, 13 + 1),
    ("resnet", {"blocks": 3}, 20 + 2),
    ("resnet", {"blocks": 1, "batch_norm": False}, 8 + 2),
    ("resnet", {"blocks": 2, "batch_norm": False, "bias": False}, 14 + 2),
    ("preact_resnet", {"blocks": 2}, 18 + 3),
    ("preact_resnet", {"blocks": 1, "batch_norm": False}, 10 + 3),
    ("wide_resnet", {"blocks": 2}, 16 - 2 + 3),
    ("wide_resnet", {"blocks": 4, "widen": 3, "batch_norm": False}, 28 - 2 + 3),
]


@pytest.mark.parametrize(("name", "parameters", "layers"), VARIANTS)
def test_a_variant_has_its_layers_and_the_cost_that_is_told(
    name: str, parameters: dict[str, Any], layers: int
) -> None:
    """Depth counts the layers of the longest way; projections come on top. A wide network's depth
    counts its three projections, as its authors do, but not both ends."""
    on = images(32)
    model = Model.of({"name": name, **SMALL[name], **parameters})
    with torch.device("meta"):
        net = model.build(on).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(torch.zeros(1, 3, 32, 32))
    assert len(Layers.of(net).modules) == layers
    cost = model.cost(on)
    assert cost.parameters == sum(weight.numel() for weight in net.parameters())
    assert cost.macs * 2 == counter.get_total_flops()
    biased = parameters.get("bias", True)
    convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    bare = name != "vgg" and parameters.get("batch_norm", True)
    assert all((module.bias is None) == (bare or not biased) for module in convs)


def test_known_sizes() -> None:
    """ResNet-20 and 110, WRN-16-4 and 28-10 have the millions of parameters reported for them."""
    on = images(32, classes=10)
    sizes = {"resnet": {3: 0.27, 18: 1.7}, "wide_resnet": {(2, 4): 2.7, (4, 10): 36.5}}
    for blocks, millions in sizes["resnet"].items():
        found = Model.of({"name": "resnet", "blocks": blocks}).cost(on).parameters
        assert found / 1e6 == pytest.approx(millions, rel=0.03)
    for (blocks, widen), millions in sizes["wide_resnet"].items():
        asked = {"name": "wide_resnet", "blocks": blocks, "widen": widen}
        assert Model.of(asked).cost(on).parameters / 1e6 == pytest.approx(millions, rel=0.03)


@pytest.mark.parametrize("name", ["vgg", "resnet", "preact_resnet", "wide_resnet"])
def test_convolutions_start_as_he_has_them(name: str) -> None:
    wider = {} if name == "wide_resnet" else {"width": 16}
    net = build(name, images(32), batch_norm=True, **wider)
    for module in net.modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            fan_in = module.weight[0].numel()
            spread = float(module.weight.detach().std())
            assert spread == pytest.approx(math.sqrt(2 / fan_in), rel=0.06)
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            assert not module.bias.any()


@pytest.mark.parametrize("name", ["resnet", "preact_resnet", "wide_resnet"])
def test_without_batch_norm_a_deep_network_keeps_the_signals_size(name: str) -> None:
    net = build(name, images(32), batch_norm=False, blocks=16)
    x = torch.randn(8, 3, 32, 32)
    blocks = [module for module in net.modules() if isinstance(module, Residual)]
    scaled = grown(net, x)
    with torch.no_grad():
        for block in blocks:
            Layers.of(block.branch).modules[-1].weight.mul_(math.sqrt(len(blocks)))
    plain = grown(net, x)
    assert 0.1 < scaled < math.e**2 * 2
    assert plain > 1e4, "and without the scale it would have exploded"


@torch.no_grad()
def grown(net: nn.Sequential, x: Tensor) -> float:
    """The mean square that enters the last layer, by the mean square after the first."""
    squares = []
    for module in net:
        if isinstance(module, nn.Conv2d | Residual):
            x = module(x)
            squares.append(float(x.square().mean()))
        elif not isinstance(module, nn.Linear):
            x = module(x)
    return squares[-1] / squares[0]


def test_where_shapes_agree_the_shortcut_is_the_identity() -> None:
    for name, changing in (("resnet", 2), ("preact_resnet", 3), ("wide_resnet", 3)):
        blocks = [m for m in build(name, images()).modules() if isinstance(m, Residual)]
        assert sum(len(block.shortcut) > 0 for block in blocks) == changing
        assert len(blocks) == {"resnet": 6, "preact_resnet": 8, "wide_resnet": 6}[name]


def test_images_too_small_are_refused_with_the_reason() -> None:
    with pytest.raises(LabError, match="too small"):
        build("vgg", images(8))
    with pytest.raises(LabError, match="needs images"):
        build("resnet", task())
