"""Attacks on weights against closed forms, counts and brute force."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from tests.lab.nets import digits, trained
from worker.lab.attacks.bit_flip import BitFlip
from worker.lab.attacks.joint import Joint
from worker.lab.attacks.pgd import Pgd
from worker.lab.attacks.quantize import Quantize
from worker.lab.attacks.weight_pgd import WeightPgd
from worker.lab.attacks.weight_random import WeightRandom
from worker.lab.core.attack_loss import margin
from worker.lab.core.quantise import (
    bits_within,
    codes,
    decoded,
    draw_flips,
    flipped,
    quantised,
)  # fmt: skip


def linear(seed: int = 0, classes: int = 2, inputs: int = 6) -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Linear(inputs, classes, bias=False).eval()


def points(count: int, seed: int = 1) -> Tensor:
    return torch.rand(count, 6, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("loss", ["ce", "margin"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("relative", [False, True])
def test_one_example_of_a_linear_network_is_fooled_exactly_where_it_can_be(loss, norm, relative):
    # Both rows move: (Δ_j − Δ_y)·x is at most 2 r ‖x‖₁ in linf, at Δ_j = r sign(x) = −Δ_y, and
    # √2 r ‖x‖₂ in l2 (weight_perturbation, theorem 1 for the last layer).
    net, x = linear(), points(60)
    w = net.weight.detach()
    y = net(x).argmax(1).detach()
    scale = (float(w.abs().max()) if norm == "linf" else float(w.norm())) if relative else 1.0
    lead = -margin(net(x), y).detach()
    length = 2 * x.abs().sum(1) if norm == "linf" else 2**0.5 * x.norm(dim=1)
    reach = lead / (length * scale)
    eps = float(reach.median()) * 1.01
    attack = WeightPgd(norm=norm, relative=relative, loss=loss, steps=40, restarts=1)
    found = [bool(attack.run(net, x[i : i + 1], y[i : i + 1], eps=eps).fooled) for i in range(60)]
    sure = (reach - eps).abs() > 1e-4
    assert torch.equal(torch.tensor(found)[sure], (reach < eps)[sure])
    assert 20 < sum(found) < 40


def test_on_a_linear_network_one_step_of_the_margin_is_the_closed_form():
    # The mean margin over examples is linear in W: What = W + eps sign(∇), rows ± Σ x.
    net, eps = linear(5), 0.05
    x = points(400)
    y = torch.zeros(400, dtype=torch.long)
    attack = WeightPgd(loss="margin", steps=1, step_size=1.0, restarts=1)
    found = attack.run(net, x, y, eps=eps)
    expected = net.weight.detach() + eps * torch.tensor([[-1.0], [1.0]]) * x.sum(0).sign()
    torch.testing.assert_close(found.w["weight"], expected)
    right = (x @ expected.T).argmax(1) == y
    assert torch.equal(~found.fooled, right)
    before = int((net(x).argmax(1) == 0).sum())
    assert 400 > before > int(right.sum()) + 20


def test_the_worst_of_every_corner_is_not_worse():
    # Brute force: all 2^12 corners of the linf ball about a network of 12 weights, on its own data.
    net, x = linear(5), points(80, seed=4)
    y = net(x).argmax(1).detach()
    w, eps = net.weight.detach(), 0.05
    corners = torch.tensor(list(itertools.product((-eps, eps), repeat=12))).view(-1, 2, 6)
    logits = torch.einsum("bi,cki->cbk", x, w + corners)
    fewest = int((logits.argmax(2) == y).sum(1).min())
    found = WeightPgd(steps=60, restarts=6).run(net, x, y, eps=eps)
    left = int((~found.fooled).sum())
    assert fewest <= left <= fewest + 2
    assert left < 76


def test_of_all_points_seen_the_worst_counts():
    data, net = digits().test, trained()
    seen: list[int] = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.net(x)
            if len(x) == 300:
                seen.append(int((out.argmax(1) == data.y[:300]).sum()))
            return out

    attack = WeightPgd(steps=15, restarts=3, step_size=0.5)
    found = attack.run(Watched(), data.x[:300], data.y[:300], eps=0.02)
    assert int((~found.fooled).sum()) == min(seen)
    assert len(seen) == 1 + 3 * 16 + 1


def test_one_layer_alone_moves_and_biases_only_if_asked():
    data, net = digits().test.head(100), trained()
    for layer, names in ((0, {"2.weight", "4.weight"}), (1, {"2.weight"}), (2, {"4.weight"})):
        found = WeightPgd(layer=layer, steps=3).run(net, data.x, data.y, eps=0.01)
        assert found.w.keys() == names
    both = WeightPgd(layer=2, biases=True, steps=3).run(net, data.x, data.y, eps=0.01)
    assert both.w.keys() == {"4.weight", "4.bias"}
    assert not torch.equal(both.w["4.bias"], net[4].bias)


def test_batches_make_no_difference_to_the_gradient(monkeypatch):
    from worker.lab.core import weight_victim

    data, net = digits().test.head(200), trained()
    whole = WeightPgd(steps=1, restarts=1, norm="l2").run(net, data.x, data.y, eps=0.5)
    monkeypatch.setitem(weight_victim.TOGETHER, "cpu", 33)
    parts = WeightPgd(steps=1, restarts=1, norm="l2").run(net, data.x, data.y, eps=0.5)
    for name, tensor in whole.w.items():
        torch.testing.assert_close(parts.w[name], tensor)
    assert torch.equal(parts.prediction, whole.prediction)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("distribution", ["sign", "uniform", "gaussian"])
def test_random_weights_are_drawn_as_their_card_says(distribution, norm):
    net = nn.Sequential(nn.Linear(200, 300, bias=False), nn.Linear(300, 2, bias=False)).eval()
    x, y = torch.rand(10, 200), torch.zeros(10, dtype=torch.long)
    attack = WeightRandom(distribution=distribution, norm=norm, relative=False, draws=1)
    found = attack.run(net, x, y, eps=0.3)
    change = found.w["0.weight"] - net[0].weight.detach()
    entries = change.abs().flatten()
    assert float(change.mean()) == pytest.approx(0, abs=0.01)
    if norm == "l2":
        assert float(change.norm()) == pytest.approx(0.3, rel=0.01)
        return
    assert float(entries.max()) <= 0.3 + 1e-6
    mean = {"sign": 0.3, "uniform": 0.15, "gaussian": 0.1 * math.sqrt(2 / math.pi)}[distribution]
    assert float(entries.mean()) == pytest.approx(mean, rel=0.02)


def test_the_worst_draw_counts_and_all_are_told():
    data, net = digits().test, trained()
    found = WeightRandom(draws=7, distribution="sign").run(net, data.x, data.y, eps=0.1)
    assert len(found.draws) == 7
    assert min(found.draws) == pytest.approx(1 - float(found.fooled.float().mean()))
    assert min(found.draws) < max(found.draws)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_quantised_weights_are_the_nearest_levels(bits):
    w = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    most = float(w.abs().max())
    whole = 2 ** (bits - 1) - 1
    levels = torch.arange(-whole, whole + 1) * most / whole
    nearest = levels[(w[..., None] - levels).abs().argmin(-1)]
    torch.testing.assert_close(quantised(w, bits), nearest)
    assert float((quantised(w, bits) - w).abs().max()) <= most / (2**bits - 2) * (1 + 1e-5)
    assert float((quantised(w, bits) - w).abs().max()) > 0.9 * most / (2**bits - 2)


def test_a_budget_takes_the_fewest_bits_that_fit():
    for bits in range(2, 13):
        edge = 1 / (2**bits - 2)
        assert bits_within(edge) == bits
        assert bits_within(edge * 0.999) == bits + 1
        assert bits_within(edge * 1.01) == bits
    told = (0.004, 0.0165, 0.034, 0.072, 0.17, 0.5)
    assert [bits_within(eps) for eps in told] == [8, 6, 5, 4, 3, 2]
    assert set(told) <= set(Quantize.budgets[0].grid)


def test_quantisation_is_a_point_of_the_relative_ball_and_weight_pgd_is_worse():
    data, net = digits().test, trained()
    for eps in (0.072, 0.17):
        rounded = Quantize().run(net, data.x, data.y, eps=eps)
        center = Quantize().center(net)
        assert Quantize().region(eps).contains(rounded.w, center)
        worst = WeightPgd(relative=True, steps=20).run(net, data.x, data.y, eps=eps)
        assert int(worst.fooled.sum()) > int(rounded.fooled.sum())


def test_codes_are_twos_complement():
    # Three bits: 3 is 011, and flipping its sign bit gives 111, which is −1; 0 becomes 100, −4.
    code = torch.tensor([3, 0, -1, -3])
    assert flipped(code, torch.tensor([0b100] * 4), 3).tolist() == [-1, -4, 3, 1]
    assert flipped(code, torch.tensor([0b001] * 4), 3).tolist() == [2, 1, -2, -4]
    w = torch.tensor([0.3, 0.0, -0.1, -0.3])
    assert codes(w, 3).tolist() == [3, 0, -1, -3]
    torch.testing.assert_close(decoded(codes(w, 3), w, 3), w)


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_flipping_twice_changes_nothing(bits):
    w = torch.randn(50, 20, generator=torch.Generator().manual_seed(0))
    flips = draw_flips(w, bits, 0.3, torch.Generator().manual_seed(1))
    once = flipped(codes(w, bits), flips, bits)
    assert torch.equal(flipped(once, flips, bits), codes(w, bits))
    half = 2 ** (bits - 1)
    assert int(once.min()) >= -half
    assert int(once.max()) < half


@pytest.mark.parametrize("p", [0.001, 0.05, 0.5])
def test_every_bit_flips_with_the_same_probability(p):
    like, bits = torch.empty(100_000), 8
    flips = draw_flips(like, bits, p, torch.Generator().manual_seed(0))
    for place in range(bits):
        share = float((flips >> place & 1).double().mean())
        assert share == pytest.approx(p, abs=4.5 * math.sqrt(p * (1 - p) / len(like)))
    both = float((flips & 0b11 == 0b11).double().mean())
    assert both == pytest.approx(p * p, abs=5 * math.sqrt(p * p / len(like)) + 1e-5)


def test_bit_flips_tell_the_share_that_flipped_and_their_mean_error_is_the_closed_form():
    # Each bit k of m shifts a code by ± 2^k, so that E (Δ code)² = p Σ 4^k + cross terms in p².
    net, p, bits = linear(inputs=5000, classes=20), 0.002, 8
    x, y = torch.rand(10, 5000), torch.zeros(10, dtype=torch.long)
    found = BitFlip(bits=bits, draws=1).run(net, x, y, eps=p)
    w = net.weight.detach()
    assert float(found.size[0]) == pytest.approx(p, abs=5 * math.sqrt(p / (8 * w.numel())))
    step = float(w.abs().max()) / 127
    error = ((found.w["weight"] - quantised(w, bits)) / step).square().mean()
    expected = p * sum(4**k for k in range(bits))
    assert float(error) == pytest.approx(expected, rel=0.15)


def test_no_flips_are_no_change_and_few_are_quantisation():
    data, net = digits().test, trained()
    assert torch.equal(BitFlip().run(net, data.x, data.y, eps=0.0).w["2.weight"], net[2].weight)
    rare = BitFlip(draws=1).run(net, data.x, data.y, eps=1e-9)
    assert torch.equal(rare.w["2.weight"], quantised(net[2].weight.detach(), 8))


def test_joint_is_each_of_both_where_the_other_budget_is_nothing():
    data, net = digits().test.head(300), trained()
    many = {"steps": 20, "restarts": 1}
    inputs = Joint(eps_w=0, **many).run(net, data.x, data.y, eps=0.08)
    pgd = Pgd(loss="ce", steps=40, restarts=1).run(net, data.x, data.y, eps=0.08)
    assert all(torch.equal(w, dict(net.named_parameters())[n]) for n, w in inputs.w.items())
    assert int(inputs.fooled.sum()) == pytest.approx(int(pgd.fooled.sum()), abs=3)
    weights = Joint(eps_w=0.01, **many).run(net, data.x, data.y, eps=0.0)
    alone = WeightPgd(loss="ce", **many).run(net, data.x, data.y, eps=0.01)
    assert torch.equal(weights.x, data.x)
    assert all(torch.equal(alone.w[name], w) for name, w in weights.w.items())
    both = Joint(eps_w=0.01, **many).run(net, data.x, data.y, eps=0.08)
    assert int(both.fooled.sum()) > max(int(pgd.fooled.sum()), int(alone.fooled.sum())) + 10


def test_joint_reaches_the_closed_form_on_one_example_of_a_linear_network():
    # (w_j − w_y)·x: with rows moved by ± r sign and x by e sign(w_j − w_y + 2 r sign x), the
    # worst change is e Σ|d_i + 2 r s_i| + 2 r ‖x‖₁ with s = sign x where x stays positive.
    net = linear(5)
    x = points(30, seed=6) * 0.4 + 0.3
    y = net(x).argmax(1).detach()
    r, e = 0.02, 0.05
    w = net.weight.detach()
    fooled = []
    for i in range(30):
        one = Joint(eps_w=r, steps=40, restarts=2).run(net, x[i : i + 1], y[i : i + 1], eps=e)
        fooled.append(bool(one.fooled))
    d = w[1 - y] - w[y]
    # For each sign pattern of x's move the objective is linear in both: try all of them.
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=6)))
    moved = x[:, None] + e * signs
    worst = ((moved * d[:, None]).sum(2) + 2 * r * moved.abs().sum(2)).amax(1)
    sure = worst.abs() > 1e-3
    assert torch.equal(torch.tensor(fooled)[sure], (worst > 0)[sure])
    assert 3 < sum(fooled) < 30
