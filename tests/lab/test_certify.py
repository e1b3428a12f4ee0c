"""Certificates under attack, against each other, and against what is known in closed form."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.lab.swarm import Swarm
from tests.lab.trees import CLASSES, SHAPE, build, points, resnet, shape, trained
from worker.lab.core.certify import Bound, Limits, certify
from worker.lab.core.layers import Layers
from worker.lab.core.model import Normalize

BOUNDS: tuple[Bound, ...] = ("I", "V", "P")
COUNT = 52
KINDS = ["mlp", "no biases", "cnn", "residual", "batch norm", "batch norm first", "linear blocks"]
SIZES = [(0.02, 0.0), (0.01, 0.05), (0.002, 0.0), (0.1, 0.0), (0.0, 0.1)]


def certified(
    nets: list[nn.Module], x: Tensor, y: Tensor, j: Tensor, limits: Limits, bound: Bound
) -> Tensor:
    """The bound on f^j − f^y of every network at its own input, (N,)."""
    worst = [
        certify(net, x[n : n + 1], y[n : n + 1], limits, bound).worst[0, j[n]]
        for n, net in enumerate(nets)
    ]
    return torch.stack(worst).detach()


@pytest.mark.parametrize("kind", KINDS)
def test_no_attack_beats_a_certificate(kind: str) -> None:
    """364 networks, 2 restarts of 20 sign steps on the margin over all weights and the input."""
    small = shape(kind) != SHAPE
    nets = [build(kind, seed) for seed in range(COUNT)]
    x = points(COUNT, shape(kind))
    y = torch.arange(COUNT) % CLASSES
    swarm = Swarm(nets, x, y, (y + 1 + torch.arange(COUNT) // CLASSES % 2) % CLASSES)
    shares = []
    for place, (eps, inputs) in enumerate(SIZES if small else SIZES[:2]):
        limits = Limits.even(Layers.of(nets[0]), eps, inputs=inputs)
        found = swarm.attack(limits, seed=place)
        bounds = [certified(nets, x, y, swarm.j, limits, bound) for bound in BOUNDS]
        clean = certified(nets, x, y, swarm.j, Limits.even(Layers.of(nets[0]), 0.0), "V")
        assert bool((found >= clean - 1e-12).all())
        for tight, loose in itertools.pairwise([found, *bounds]):
            assert bool((tight <= loose + 1e-9).all()), (eps, inputs)
        shares.append(float(((found - clean) / (bounds[0] - clean)).median()))
    assert max(shares) > (0.2 if small else 0.05)  # a bound of infinity would pass otherwise


def test_nor_on_a_trained_network() -> None:
    net = trained(resnet(norm=True), SHAPE)
    count, limits = 24, Limits.even(Layers.of(net), 0.003, inputs=0.01)
    x, y = points(count, SHAPE, seed=1), torch.arange(count) % CLASSES
    swarm = Swarm([net] * count, x, y, (y + 1) % CLASSES)
    found = swarm.attack(limits)
    for bound in BOUNDS:
        certificate = certify(net, x, y, limits, bound)
        assert bool((found <= certificate.worst[torch.arange(count), swarm.j] + 1e-9).all())


@pytest.mark.parametrize("kind", ["mlp", "cnn", "linear blocks"])
def test_one_layer_alone_is_attacked_too(kind: str) -> None:
    nets = [build(kind, seed) for seed in range(10)]
    x, y = points(10, shape(kind)), torch.arange(10) % CLASSES
    swarm = Swarm(nets, x, y, (y + 1) % CLASSES)
    whole = Limits.even(Layers.of(nets[0]), 0.05)
    for layer in range(len(whole.weights)):
        limits = whole.only(layer)
        found = swarm.attack(limits, steps=10)
        bounds = [certified(nets, x, y, swarm.j, limits, bound) for bound in BOUNDS]
        for tight, loose in itertools.pairwise([found, *bounds]):
            assert bool((tight <= loose + 1e-9).all())


def corners(center: Tensor, eps: float) -> Tensor:
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=center.numel())))
    return center + eps * signs.double().view(-1, *center.shape)


@pytest.mark.parametrize("mean", [0.0, 0.5, 1.0], ids=["positive", "signed", "negative"])
def test_intervals_against_every_corner_of_one_layer(mean: float) -> None:
    """Bilinear in weights and inputs: corners are the worst, and the interval is exact unless an
    input straddles zero."""
    torch.manual_seed(3)
    net = nn.Sequential(Normalize((mean,) * 3, (1.0,) * 3, 1), nn.Linear(3, 2, bias=False)).double()
    x, y = torch.tensor([[0.3, 0.52, 0.8]]).double(), torch.tensor([0])
    eps, inputs = 0.4, 0.1
    limits = Limits.even(Layers.of(net), eps, inputs=inputs)
    gaps = corners((net[1].weight[1] - net[1].weight[0]).detach(), 2 * eps)
    brute = float(
        (
            corners(x[0], inputs) - mean @ torch.eye(1).double() @ torch.ones(1, 3).double()
            if False
            else corners(x[0], inputs) - mean
        )
        .matmul(gaps.T)
        .max()
    )
    found = float(certify(net, x, y, limits, "I").worst[0, 1].detach())
    if mean == 0.5:
        assert brute <= found <= brute + 2 * inputs * eps * 2
    else:
        assert found == pytest.approx(brute, rel=1e-12)


def test_intervals_against_every_corner_of_a_tiny_network() -> None:
    """2-2-2, no biases: 256 corners of the weights times 4 of the input."""
    tight = []
    for seed in range(25):
        torch.manual_seed(seed)
        net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
        net = net.double()
        first, last = net[0].weight.detach(), net[2].weight.detach()
        x, eps, inputs = points(1, (2,), seed), 0.1, 0.05
        hidden = (
            corners(x[0], inputs).clamp(0, 1)[:, None] @ corners(first, eps)[:, None].mT
        ).relu()
        gaps = corners(last[1] - last[0], 2 * eps)
        brute = float((hidden.reshape(-1, 2) @ gaps.T).max())
        limits = Limits.even(Layers.of(net), eps, inputs=inputs)
        y = torch.tensor([0])
        bounds = [float(certify(net, x, y, limits, b).worst[0, 1].detach()) for b in BOUNDS]
        assert brute <= bounds[0] + 1e-12
        assert bounds == sorted(bounds)
        tight.append(abs(bounds[0] - brute) < 1e-9)
    assert sum(tight) >= 12  # exact where no input of the hidden layer decides both signs


def test_the_loss_is_bounded() -> None:
    """CE anywhere ≤ CE(f + τ, y) ≤ CE(f, y) + max τ."""
    net, x, y = build("mlp", 0), points(40, (5,)), torch.arange(40) % CLASSES
    limits = Limits.even(Layers.of(net), 0.03, inputs=0.02)
    generator = torch.Generator().manual_seed(0)
    for bound in BOUNDS:
        found = certify(net, x, y, limits, bound)
        clean = F.cross_entropy(net(x), y, reduction="none")
        assert torch.allclose(found.logits, net(x))
        assert bool((found.loss <= clean + found.tau.amax(1) + 1e-12).all())
        for _ in range(100):
            sides = {
                name: w.detach() + 0.03 * _side(w, generator) for name, w in net.named_parameters()
            }
            moved = (x + 0.02 * _side(x, generator)).clamp(0, 1)
            at = functional_call(net, sides, (moved,))
            assert bool((F.cross_entropy(at, y, reduction="none") <= found.loss + 1e-12).all())


def _side(like: Tensor, generator: torch.Generator) -> Tensor:
    return (torch.rand(like.shape, generator=generator) < 0.5).double() * 2 - 1
