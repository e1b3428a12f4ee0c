"""Certificates against what is known in closed form, and what they may be asked."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.theory import doubled, mlp, task
from tests.lab.trees import CLASSES, SHAPE, build, points, resnet, shape
from worker.lab.core.affine import Affine
from worker.lab.core.certify import RULES, Bound, Limits, certify, certify_at
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers, slope
from worker.lab.core.point import Point
from worker.lab.core.reach import Box, Reach, Vector

BOUNDS: tuple[Bound, ...] = ("I", "V", "P")


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


@pytest.mark.parametrize("folds", [False, True], ids=["alone", "with batch norm"])
@pytest.mark.parametrize("bound", ["V", "I"])
def test_a_convolution_is_attained(bound: Bound, folds: bool) -> None:
    """|s| ε (‖patch‖₁ + 1) at each output, patches cut by the border, inputs of both signs."""
    conv = nn.Conv2d(2, 3, 3, stride=2, padding=1).double()
    norm = nn.BatchNorm2d(3).double().eval() if folds else None
    if norm is not None:
        nn.init.uniform_(norm.weight, -3, 3)
        nn.init.uniform_(norm.bias, -1, 1)
        norm.running_var = torch.tensor([0.1, 1.0, 4.0]).double()
    x, eps = points(2, (2, 5, 5)) - 0.5, 0.1
    layer = Affine.of(conv, norm)
    low, high = ends(RULES[bound].start(x, 0.0).layer(layer, eps, eps))
    patches = F.unfold(x, 3, padding=1, stride=2)
    gain = slope(norm).abs().view(3, 1, 1) if norm is not None else 1.0
    wanted = gain * eps * (patches.abs().sum(1) + 1).view(2, 1, 3, 3).expand(-1, 3, -1, -1)
    clean = norm(conv(x)) if norm is not None else conv(x)
    assert torch.allclose(high - clean, wanted)
    assert torch.allclose(clean - low, wanted)


def ends(reach: Reach) -> tuple[Tensor, Tensor]:
    if isinstance(reach, Vector):
        return reach.z - reach.v, reach.z + reach.v
    assert isinstance(reach, Box)
    return reach.low, reach.high


@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 0.7), (-0.7, -0.2), (-0.2, 0.7), (-0.7, 0.2), (-0.4, 0.4)]
)
def test_one_weights_interval_against_its_corners(low: float, high: float) -> None:
    """Exact but where the input straddles zero and |w| < ε; never looser than V's there."""
    eps, z = 0.3, 0.5 * (low + high)
    for w in (-2.0, -0.31, -0.2, 0.0, 0.1, 0.29, 0.5, 3.0):
        linear = nn.Linear(1, 1, bias=False).double()
        nn.init.constant_(linear.weight, w)
        at = [torch.full((1, 1), value, dtype=torch.double) for value in (z, low, high)]
        found = ends(Box(*at).layer(Affine.of(linear, None), eps, 0.0))
        corners = [(w + e) * x for e in (-eps, eps) for x in (low, high)]
        exact = min(corners), max(corners)
        vector = ends(Vector(at[0], at[2] - at[0]).layer(Affine.of(linear, None), eps, 0.0))
        box = float(found[0].detach()), float(found[1].detach())
        assert float(vector[0].detach()) - 1e-12 <= box[0] <= exact[0] + 1e-12
        assert float(vector[1].detach()) + 1e-12 >= box[1] >= exact[1] - 1e-12
        if low * high > 0 or abs(w) >= eps:
            assert box == pytest.approx(exact, rel=1e-12)


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
