from __future__ import annotations

import copy
from collections.abc import Generator

import pytest
import torch
from torch import Tensor, nn

from tests.lab.nets import Confident, Linear2, Quantised, digits, trained
from worker.lab.attacks.apgd import Apgd
from worker.lab.attacks.autoattack import Autoattack
from worker.lab.attacks.fab import Fab
from worker.lab.attacks.fgsm import Fgsm
from worker.lab.attacks.pgd import Pgd
from worker.lab.attacks.square import Square
from worker.lab.core.attack_loss import dlr, margin
from worker.lab.core.auto_pgd import _marks
from worker.lab.core.balls import Ball
from worker.lab.core.errors import LabError
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.victim import Victim

W = torch.tensor([1.0, -2.0, 0.5, 3.0, -0.25, 0.0])
LENGTH = {"linf": float(W.abs().sum()), "l2": float(W.norm()), "l1": float(W.abs().max())}
NORMS = ("linf", "l2", "l1")
BEST = [
    Fgsm(),
    Pgd(restarts=1, random_start=False),
    Pgd(loss="margin", steps=100),
    Pgd(steps=100),
    Pgd(loss="dlr", momentum=0.5, steps=100),
    Apgd(),
    Apgd(loss="dlr"),
    Apgd(loss="targeted_dlr"),
    Fab(),
    Autoattack(steps=50, queries=50),
    Square(queries=1000),
]
CLIMBERS = BEST[:8]
"""These look for the largest loss, not for the nearest point that is fooled."""


def points(count: int = 300) -> tuple[Tensor, Tensor, Linear2]:
    """Away from the walls of the box, on both sides of a plane through the middle."""
    x = torch.rand(count, 6, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    net = Linear2(W, -float(W.sum()) / 2)
    return x, net(x).argmax(1).detach(), net


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", BEST, ids=lambda a: f"{a.name()}-{getattr(a, 'loss', '')}")
def test_on_a_linear_network_exactly_what_can_be_fooled_is_fooled(attack, norm):
    # The distance to the plane in norm p is |w·x + b| / ‖w‖_q with the dual norm q.
    x, y, net = points()
    if norm == "l1" and isinstance(attack, Square | Autoattack):
        pytest.skip("not in l1")
    attack = attack.model_copy(update={"norm": norm})
    reach = -margin(net(x), y).detach() / LENGTH[norm]
    for eps in (0.02, 0.08):
        found = attack.run(net, x, y, eps=eps)
        # Random directions come near the best one, not onto it; a corner of linf they do hit.
        # FAB steps 5 % too far on purpose and comes back: 0.3 % off the plane at its best.
        turns = isinstance(attack, Square) and norm == "l2"
        near = 1e-3 if turns else 0.005 * eps if isinstance(attack, Fab) else 1e-5
        sure = (reach - eps).abs() > near
        assert torch.equal(found.fooled[sure], (reach < eps)[sure])
        assert 0 < int(found.fooled.sum()) < len(x)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("attack", CLIMBERS, ids=lambda a: f"{a.name()}-{getattr(a, 'loss', '')}")
def test_on_a_linear_network_the_smallest_margin_is_reached(attack, norm):
    x, y, net = points()
    attack = attack.model_copy(update={"norm": norm})
    found = attack.run(net, x, y, eps=0.02)
    left = margin(net(found.x), y)[~found.fooled]
    best = (margin(net(x), y) + 0.02 * LENGTH[norm])[~found.fooled]
    torch.testing.assert_close(left, best, rtol=0, atol=2e-4)


def test_at_the_walls_of_the_box_l2_pgd_still_finds_the_optimum():
    # Oracle: the maximiser of w·d with ‖d‖ ≤ eps in the box is clip(t w) with t by bisection.
    x = torch.tensor([[1.0, 0.02, 0.5, 0.95, 0.0, 0.3]])
    net, eps = Linear2(W, -50.0), 0.5
    y = torch.tensor([0])
    low, high = 0.0, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        change = (x + middle * W).clamp(0, 1) - x
        low, high = (middle, high) if float(change.norm()) < eps else (low, middle)
    best = (x + low * W).clamp(0, 1) @ W
    found = Pgd(norm="l2", steps=200, step_size=0.5, restarts=1).run(net, x, y, eps=eps).x @ W
    torch.testing.assert_close(found, best, rtol=0, atol=1e-3)


def test_pgd_is_not_beaten_by_fgsm():
    data, net = digits().test, trained()
    for norm, eps in (("linf", 0.08), ("l2", 0.4)):
        many = Pgd(norm=norm).run(net, data.x, data.y, eps=eps)
        one = Fgsm(norm=norm).run(net, data.x, data.y, eps=eps)
        assert int(many.fooled.sum()) >= int(one.fooled.sum())
        assert int((one.fooled & ~many.fooled).sum()) <= 1


def test_a_margin_run_sees_where_cross_entropy_is_blind():
    data, net = digits().test.head(200), Confident(trained())
    blind = Pgd(loss="ce", restarts=1).run(net, data.x, data.y, eps=0.05)
    seeing = Pgd(loss="both", restarts=2).run(net, data.x, data.y, eps=0.05)
    plain = Pgd(loss="margin", restarts=1).run(trained(), data.x, data.y, eps=0.05)
    assert blind.zero_gradients > 0.5
    assert int(seeing.fooled.sum()) > int(blind.fooled.sum())
    assert int(seeing.fooled.sum()) == pytest.approx(int(plain.fooled.sum()), abs=2)


def test_an_example_once_fooled_is_left_alone():
    class Counting(nn.Module):
        rows = 0

        def forward(self, x: Tensor) -> Tensor:
            Counting.rows += len(x)
            return net(x)

    data, net = digits().test, trained()
    Pgd(steps=40, restarts=3).run(Counting(), data.x, data.y, eps=0.5)
    assert Counting.rows < 15 * len(data)


def test_what_is_wrong_already_stays_as_it_is():
    data, net = digits().test, trained()
    wrong = net(data.x).argmax(1) != data.y
    found = Pgd().run(net, data.x, data.y, eps=0.1)
    assert int(wrong.sum()) > 0
    assert bool(found.fooled[wrong].all())
    assert torch.equal(found.x[wrong], data.x[wrong])


def test_the_loss_along_the_attack_has_a_value_a_step_and_rises():
    data, net = digits().test, trained()
    found = Pgd(steps=12, restarts=2).run(net, data.x, data.y, eps=0.05)
    assert len(found.loss) == 13
    assert found.loss[-1] > 2 * found.loss[0]


class Liar(LpAttack):
    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        yield 1.0
        return self.change(victim.x)

    def change(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Outside(Liar):
    def change(self, x: Tensor) -> Tensor:
        return (x + 0.2).clamp(0, 1)


class OutOfBox(Liar):
    def change(self, x: Tensor) -> Tensor:
        return x - 0.05


class NotFinite(Liar):
    def change(self, x: Tensor) -> Tensor:
        return x * torch.nan


class InPlace(Liar):
    def change(self, x: Tensor) -> Tensor:
        return x.copy_(1 - x)


class Misshapen(Liar):
    def change(self, x: Tensor) -> Tensor:
        return x[:-1]


@pytest.mark.parametrize("liar", [Outside, OutOfBox, NotFinite, InPlace, Misshapen])
def test_an_attack_that_breaks_the_rules_is_refused(liar):
    data, net = digits().test.head(20), copy.deepcopy(trained()).train()
    before = data.x.clone()
    with pytest.raises(LabError) as error:
        liar().run(net, data.x, data.y, eps=0.1)
    assert error.value.code == "bad_attack"
    assert net.training
    assert torch.equal(data.x, before)


class Rounding(Liar):
    def change(self, x: Tensor) -> Tensor:
        return x + (0.1 + 5e-7) * (0.5 - x).sign()


def test_rounding_is_cut_off():
    data = digits().test.head(20)
    found = Rounding().run(trained(), data.x, data.y, eps=0.1)
    assert bool(((found.x - data.x).abs() <= 0.1 + 1e-7).all())
    assert bool(Ball("linf", 0.1).contains(found.x, data.x).all())


def test_a_network_that_has_diverged_is_named():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    nn.init.constant_(net[1].weight, torch.nan)
    data = digits().test.head(5)
    with pytest.raises(LabError) as error:
        Fgsm().run(net, data.x, data.y)
    assert error.value.code == "bad_model"


def test_an_abandoned_attack_leaves_the_modes_as_they_were():
    net = copy.deepcopy(trained()).train()
    net[1].eval()
    data = digits().test.head(20)
    walk = Pgd().walk(net, data.x, data.y, eps=0.1)
    next(walk)
    assert not net.training
    walk.close()
    assert [module.training for module in net] == [True, False, True, True, True]


def test_apgds_checkpoints_and_step_sizes_are_the_papers() -> None:
    assert _marks(100) == [22, 41, 57, 70, 80, 87, 93, 99]


def test_apgd_is_pgd_of_many_steps_and_restarts_within_half_a_point():
    data, net = digits().test.head(300), trained()
    for norm, eps in (("linf", 0.1), ("l2", 0.6), ("l1", 2.0)):
        long = Pgd(norm=norm, steps=100, restarts=3, step_size=0.05, loss="ce")
        many = long.run(net, data.x, data.y, eps=eps).fooled.float().mean()
        for attack in (Apgd(norm=norm, restarts=3), Apgd(norm=norm, loss="targeted_dlr")):
            found = attack.run(net, data.x, data.y, eps=eps).fooled
            assert float(found.float().mean()) >= float(many) - 0.005


def test_apgd_dlr_and_fab_see_where_cross_entropy_is_blind():
    data, net = digits().test.head(100), Confident(trained())
    plain = Pgd(loss="margin", restarts=1).run(trained(), data.x, data.y, eps=0.08).fooled
    blind = Apgd(loss="ce").run(net, data.x, data.y, eps=0.08)
    assert blind.zero_gradients > 0.5
    assert int(blind.fooled.sum()) < int(plain.sum()) - 5
    seeing = Autoattack(steps=30, queries=0)
    for attack in (Apgd(loss="targeted_dlr"), Fab(), Pgd(loss="dlr"), seeing):
        found = attack.run(net, data.x, data.y, eps=0.08).fooled
        assert int(found.sum()) >= int(plain.sum()) - 1


def test_autoattack_is_at_least_each_of_its_parts_point_by_point():
    data, net = digits().test.head(100), trained()
    for norm, eps in (("linf", 0.1), ("l2", 0.6)):
        few = {"norm": norm, "steps": 20}
        whole = Autoattack(**few, queries=100).run(net, data.x, data.y, eps=eps).fooled
        parts = [
            Apgd(**few),
            Apgd(**few, loss="targeted_dlr"),
            Fab(**few),
            Square(norm=norm, queries=100),
        ]
        found = [part.run(net, data.x, data.y, eps=eps).fooled for part in parts]
        missed = torch.stack(found).any(0) & ~whole
        assert int(missed.sum()) <= 1


def test_square_finds_what_noise_does_not_and_without_a_gradient():
    data, net = digits().test.head(100), Quantised(trained(), 16)
    for norm, eps in (("linf", 0.15), ("l2", 1.0)):
        found = Square(norm=norm, queries=400).run(net, data.x, data.y, eps=eps)
        assert found.gradients == 0
        ball, dice = Ball(norm, eps), torch.Generator().manual_seed(0)
        noise = torch.zeros(100, dtype=torch.bool)
        for _ in range(400):
            at = ball.start(data.x, dice)
            at = ball.project(ball.step(data.x, at - data.x, eps), data.x)
            noise |= net(at).argmax(1) != data.y
        assert int(found.fooled.sum()) > int(noise.sum()) + 20


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_dlr_is_its_formula_and_blind_to_scale(classes):
    z = torch.randn(50, classes, generator=torch.Generator().manual_seed(0))
    y, target = torch.randint(classes, (2, 50), generator=torch.Generator().manual_seed(1))
    for row in range(50):
        ordered = sorted(z[row].tolist(), reverse=True)
        own = float(z[row, y[row]])
        best = max(v for k, v in enumerate(z[row].tolist()) if k != int(y[row]))
        spread = ordered[0] - ordered[2] if classes > 2 else 1.0
        assert float(dlr(z, y)[row]) == pytest.approx((best - own) / spread, rel=1e-4)
        lower = sum(ordered[2:4]) / len(ordered[2:4]) if classes > 2 else ordered[0] - 1
        aimed = (float(z[row, target[row]]) - own) / (ordered[0] - lower)
        assert float(dlr(z, y, target)[row]) == pytest.approx(aimed, rel=1e-4, abs=1e-6)
    if classes > 2:
        torch.testing.assert_close(dlr(1000 * z, y), dlr(z, y))


def test_momentum_keeps_the_direction():
    # Where the gradient turns about, a step with μ = 1 goes on along the sum of unit gradients.
    class Turning(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([torch.zeros(len(x)), -(x[:, 0] - 0.52).abs() - 1], 1)

    x, y = torch.full((1, 2), 0.5), torch.tensor([0])
    ends = []
    for momentum in (0.0, 1.0):
        victim = Victim(Turning(), x, y, Ball("linf", 0.3), torch.Generator())
        for _ in victim.climb(x, steps=3, lr=0.1, loss="margin", momentum=momentum):
            pass
        ends.append(victim)
    # Without: 0.53, 0.50, 0.53. With: 0.53, then the directions cancel and it stays.
    assert float(ends[0].best[0, 0]) == pytest.approx(0.53)
    assert float(ends[1].best[0, 0]) == pytest.approx(0.53)
    assert ends[0].losses[2] != pytest.approx(ends[0].losses[1], rel=1e-6)
    assert ends[1].losses[2] == pytest.approx(ends[1].losses[1], rel=1e-6)


def test_on_points_every_attack_on_inputs_finds_the_way():
    # Two inputs and two classes: no windows for Square, no third class for the logit ratio.
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    net = Linear2(torch.tensor([1.0, -1.0]), 0.0)
    y = net(x).argmax(1).detach()
    for attack in (Apgd(loss="targeted_dlr"), Fab(), Square(queries=300), Autoattack(queries=50)):
        for norm, dual in (("linf", 2.0), ("l2", 2**0.5)):
            reach = -margin(net(x), y).detach() / dual
            found = attack.model_copy(update={"norm": norm}).run(net, x, y, eps=0.05).fooled
            sure = (reach - 0.05).abs() > 5e-4
            assert torch.equal(found[sure], (reach < 0.05)[sure])
