"""Certificates under attack, against each other, and against what is known in closed form."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.lab.swarm import Swarm
from tests.lab.theory import cnn, doubled, mlp, task
from tests.lab.trees import CLASSES, SHAPE, points, preact, residual_mlp, resnet, trained
from worker.lab.core.affine import Affine
from worker.lab.core.certify import RULES, Bound, Limits, certify, certify_at
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.model import Normalize
from worker.lab.core.point import Point
from worker.lab.core.reach import Box, Vector

POINTS, IMAGES = task((5,), CLASSES), task(SHAPE, CLASSES)
BOUNDS: tuple[Bound, ...] = ("I", "V", "P")
COUNT = 52
KINDS = ["mlp", "no biases", "cnn", "residual", "batch norm", "batch norm first", "linear blocks"]
SIZES = [(0.02, 0.0), (0.01, 0.05), (0.002, 0.0), (0.1, 0.0), (0.0, 0.1)]


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


def test_one_certificate_per_layer_of_theorem_one() -> None:
    """ε ‖z‖₁ Π R D for a hidden layer, written down; 2 ε ‖z‖₁ for the last."""
    net = nn.Sequential(
        nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 5, bias=False), nn.ReLU(),
        nn.Linear(5, 3, bias=False),
    ).double()  # fmt: skip
    x, y = points(7, (4,)), torch.tensor([0, 1, 2, 0, 1, 2, 0])
    first, second, last = (layer.weight for layer in net if isinstance(layer, nn.Linear))
    z = [x, (x @ first.T).relu(), ((x @ first.T).relu() @ second.T).relu()]
    spread = (last[None] - last[y][:, None]).abs().sum(2)
    rows = second.abs().sum(1).max()
    wanted = [
        0.1 * z[0].sum(1)[:, None] * rows * spread,
        0.1 * z[1].sum(1)[:, None] * spread,
        0.2 * z[2].sum(1)[:, None].expand(-1, 3),
    ]
    for layer, tau in enumerate(wanted):
        limits = Limits.even(Layers.of(net), 0.1).only(layer)
        found = certify(net, x, y, limits, "P").tau
        others = torch.arange(3) != y[:, None]
        assert torch.allclose(found[others], tau[others], rtol=1e-12)


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_last_layers_certificate_is_attained(bound: Bound) -> None:
    """Δ_j = ε sign z, Δ_y = −ε sign z, biases alike: 2 ε (‖z‖₁ + 1), at signed z."""
    on = task((5,), 3)
    net = doubled(mlp(on, hidden=()))
    x, y, j = points(1, (5,)), torch.tensor([0]), 2
    limits = Limits.even(Layers.of(net), 0.07)
    head = net[-1]
    z = net[:-1](x)[0]
    moved = head.weight.detach().clone(), head.bias.detach().clone()
    for row, side in ((j, 1), (0, -1)):
        moved[0][row] += side * 0.07 * z.sign()
        moved[1][row] += side * 0.07
    logits = F.linear(z, *moved)
    reached = float(logits[j] - logits[0])
    assert float(certify(net, x, y, limits, bound).worst[0, j].detach()) == pytest.approx(
        reached, rel=1e-12
    )


@pytest.mark.parametrize("bound", ["V", "I"])
def test_the_first_layer_is_attained_by_a_convolution(bound: Bound) -> None:
    """ε (‖patch‖₁ + 1) at each output, patches cut by the border."""
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
    x, eps = points(2, (2, 5, 5)) - 0.5, 0.1
    net = nn.Sequential(Normalize((0.5, 0.5), (1.0, 1.0), 3), conv, nn.Flatten(), nn.Linear(27, 2))
    layer = _first(net.double(), x + 0.5, bound, eps)
    patches = F.unfold(x, 3, padding=1, stride=2)
    wanted = eps * (patches.abs().sum(1) + 1).view(2, 1, 3, 3).expand(-1, 3, -1, -1)
    clean = conv(x)
    assert torch.allclose(layer[1] - clean, wanted)
    assert torch.allclose(clean - layer[0], wanted)


def _first(net: nn.Sequential, x: Tensor, bound: Bound, eps: float) -> tuple[Tensor, Tensor]:
    """What the first layer's outputs can be."""
    reach = RULES[bound].start(x, 0.0).scaled(1 / net[0].std, -net[0].mean / net[0].std)
    reach = reach.layer(Affine.of(net[1], None), eps, eps)
    if isinstance(reach, Vector):
        return reach.z - reach.v, reach.z + reach.v
    assert isinstance(reach, Box)
    return reach.low, reach.high


def test_the_unsound_shortcut_is_beaten() -> None:
    """Activations of the net with W + ε everywhere do not dominate all others at depth two."""
    net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    net = net.double()
    first, last = net[0].weight, net[2].weight
    with torch.no_grad():
        first.copy_(torch.tensor([[1.0], [1.0]]))
        last.copy_(torch.tensor([[0.0, 0.0], [2.0, -1.9]]))
    x, y, eps = torch.ones(1, 1, dtype=torch.double), torch.tensor([0]), 0.1
    gap = (last[1] - last[0]).detach()
    shortcut = float((gap + 2 * eps) @ (first + eps).relu().detach()[:, 0])
    worse = torch.tensor([1.1, 0.9], dtype=torch.double)
    reached = float((gap + 2 * eps) @ worse)
    assert reached > shortcut + 0.3
    for bound in BOUNDS:
        limits = Limits.even(Layers.of(net), eps)
        assert float(certify(net, x, y, limits, bound).worst[0, 1].detach()) >= reached - 1e-12


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


def test_with_weights_at_rest_the_interval_is_interval_arithmetic() -> None:
    """The textbook recursion on |W| about the centre."""
    net, x, y = build("mlp", 1), points(9, (5,)), torch.arange(9) % CLASSES
    found = certify(net, x, y, Limits.even(Layers.of(net), 0.0, inputs=0.08), "I").worst
    low, high = (x - 0.08).clamp(0, 1), (x + 0.08).clamp(0, 1)
    low, high = net[0](low), net[0](high)
    layers = [module for module in net if isinstance(module, nn.Linear)]
    for layer in layers[:-1]:
        center, radius = layer((low + high) / 2), (high - low) / 2 @ layer.weight.abs().T
        low, high = (center - radius).relu(), (center + radius).relu()
    last = layers[-1]
    pairs = last.weight[None] - last.weight[y][:, None]
    offsets = last.bias[None] - last.bias[y][:, None]
    center = torch.einsum("bkd,bd->bk", pairs, (low + high) / 2) + offsets
    wanted = center + torch.einsum("bkd,bd->bk", pairs.abs(), (high - low) / 2)
    assert torch.allclose(found, wanted, rtol=1e-10)


def test_with_weights_at_rest_a_convolution_is_its_matrix() -> None:
    conv, x = nn.Conv2d(2, 3, 3, stride=2, padding=1).double(), points(4, (2, 5, 5))
    rows = conv(torch.eye(50, dtype=torch.double).view(50, 2, 5, 5)).flatten(1)
    bias = conv(torch.zeros(1, 2, 5, 5, dtype=torch.double)).flatten(1)
    dense = nn.Linear(50, 27).double()
    with torch.no_grad():
        dense.weight.copy_((rows - bias).T)
        dense.bias.copy_(bias[0])
    head = nn.Linear(27, 3).double()
    images = nn.Sequential(conv, nn.ReLU(), nn.Flatten(), head)
    flat = nn.Sequential(nn.Flatten(), dense, nn.ReLU(), head)
    limits, y = Limits((0.0, 0.0), (0.0, 0.0), 0.06), torch.tensor([0, 1, 2, 0])
    for bound in ("I", "V"):
        assert torch.allclose(
            certify(images, x, y, limits, bound).worst, certify(flat, x, y, limits, bound).worst
        )


@pytest.mark.parametrize("bound", BOUNDS)
def test_nothing_moves_nothing_and_more_moves_more(bound: Bound) -> None:
    net, x, y = resnet(norm=True), points(9, SHAPE), torch.arange(9) % CLASSES
    whole = Limits.even(Layers.of(net), 0.02, inputs=0.02)
    taus = [certify(net, x, y, whole.times(t), bound).tau.detach() for t in (0, 0.25, 0.5, 1)]
    assert float(taus[0].abs().max()) < 1e-9
    for less, more in itertools.pairwise(taus):
        assert bool((less <= more + 1e-12).all())
        assert float(less.sum()) < float(more.sum())
    joint = whole.inputs
    for part in (Limits.even(Layers.of(net), 0.02), Limits.even(Layers.of(net), 0.0, inputs=joint)):
        assert bool((certify(net, x, y, part, bound).tau <= taus[-1] + 1e-12).all())


def test_bounds_p_and_v_are_affine_in_the_inputs_eps() -> None:
    """So eps_x alone weighs the input's part of a penalty on τ."""
    net, x, y = build("cnn", 0), points(5, SHAPE), torch.arange(5) % CLASSES
    for bound in ("P", "V"):
        tau = [
            certify(net, x, y, Limits.even(Layers.of(net), 0.01, inputs=i), bound).tau
            for i in (0.0, 0.1, 0.2)
        ]
        assert torch.allclose(tau[2] - tau[1], tau[1] - tau[0], rtol=1e-8)


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


@pytest.mark.parametrize("kind", ["mlp", "cnn", "batch norm", "batch norm first"])
@pytest.mark.parametrize("bound", BOUNDS)
def test_gradients_are_finite_differences(bound: Bound, kind: str) -> None:
    net, x, y = build(kind, 2), points(6, shape(kind)), torch.arange(6) % CLASSES
    limits = Limits.even(Layers.of(net), 0.01, inputs=0.01)

    def loss() -> Tensor:
        return certify(net, x, y, limits, bound).loss.sum()

    weights = list(net.parameters())
    found = torch.autograd.grad(loss(), weights, materialize_grads=True)
    generator = torch.Generator().manual_seed(1)
    way = [torch.randn(w.shape, generator=generator).double() for w in weights]
    slope = sum(float((g * d).sum()) for g, d in zip(found, way, strict=True))
    sides = []
    for sign in (1, -2):
        with torch.no_grad():
            for w, d in zip(weights, way, strict=True):
                w.add_(d, alpha=sign * 1e-6)
        sides.append(float(loss().detach()))
    assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("bound", BOUNDS)
def test_at_moved_weights_it_is_the_moved_networks(bound: Bound) -> None:
    net, other = resnet(norm=True), resnet(norm=True)
    x, y = points(5, SHAPE), torch.arange(5) % CLASSES
    limits = Limits.even(Layers.of(net), 0.01)
    moved = {name: w.detach() * 1.1 for name, w in net.named_parameters()}
    with torch.no_grad():
        for name, w in other.named_parameters():
            w.copy_(moved[name])
    found = certify_at(net, Point(x, moved), y, limits, bound)
    assert torch.equal(found.worst, certify(other, x, y, limits, bound).worst)


def test_in_training_mode_it_speaks_of_evaluation_and_touches_nothing() -> None:
    net, x, y = resnet(norm=True), points(5, SHAPE), torch.arange(5) % CLASSES
    limits = Limits.even(Layers.of(net), 0.01)
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    found = certify(net, x, y, limits)
    again = certify(net.train(), x, y, limits)
    assert torch.equal(found.worst, again.worst)
    assert torch.allclose(found.logits, net.eval()(x))
    assert all(torch.equal(before[name], buffer) for name, buffer in net.named_buffers())


def test_a_relative_limit_goes_with_the_weights() -> None:
    net, x, y = build("mlp", 0), points(5, (5,)), torch.arange(5) % CLASSES
    limits = Limits.relative(Layers.of(net), 0.1)
    largest = [float(m.weight.detach().abs().max()) for m in Layers.of(net).modules]
    assert limits.weights == pytest.approx([0.1 * top for top in largest])
    before = certify(net, x, y, limits).worst
    with torch.no_grad():
        for layer, factor in ((net[2], 3.0), (net[4], 1 / 3)):
            layer.weight.mul_(factor)
        net[2].bias.mul_(3)
    after = certify(net, x, y, Limits.relative(Layers.of(net), 0.1)).worst
    assert torch.allclose(before, after, rtol=1e-9)


def test_what_no_bound_is_known_for_is_refused() -> None:
    x, y = points(1, (2,)), torch.tensor([0])
    for net in (
        nn.Sequential(nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2)),
        nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
    ):
        limits = Limits((0.1,) * 2, (0.1,) * 2)
        with pytest.raises(LabError, match=r"GELU|linear layer"):
            certify(net.double(), x, y, limits)
    grouped = nn.Sequential(nn.Conv2d(2, 2, 1, groups=2), nn.Flatten(), nn.Linear(8, 2)).double()
    with pytest.raises(LabError, match="convolution"):
        certify(grouped, points(1, (2, 2, 2)), y, Limits((0.1,) * 2, (0.1,) * 2))
