"""Attacks on weights, random changes and transfer, from a spec to their cards."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch
from torch import nn

from tests.lab.nets import digits, trained
from worker.contract.events import Measured
from worker.lab import evaluate
from worker.lab.core import registry
from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.weight_attack import WeightBallAttack
from worker.lab.core.weight_victim import Found, WeightVictim

PGD = {"name": "weight_pgd", "steps": 20}
GRID = [0.0, 0.005, 0.01, 0.02]


def run(*attacks: dict[str, Any], net: nn.Module | None = None, **spec: Any) -> dict[str, Any]:
    """The newest value of every measurement."""
    asked = {"attacks": list(attacks), "eps_grid": GRID, "limit": 600, **spec}
    beside = {"other": trained(1)} if "transfer_from" in spec else {}
    found: dict[str, Any] = {}
    for event in evaluate(asked, net or trained(), digits(), **beside):
        if isinstance(event, Measured):
            found |= event.values
    return found


def card(found: dict[str, Any], name: str) -> dict[str, bool]:
    columns = found[f"attack/{name}/card"].columns
    assert all(columns["detail"])
    return dict(zip(columns["check"], columns["passed"], strict=True))


def test_an_honest_weight_attack_passes_every_check() -> None:
    found = run(PGD, {"name": "weight_random"})
    checks = card(found, "weight_pgd")
    assert all(checks.values())
    assert set(checks) >= {
        "eps 0 equals clean accuracy", "accuracy does not rise with eps", "gradients are not zero",
        "accuracy does not rise with steps", "the loss rises along the attack",
        "random noise is not stronger", "scored again in a fresh pass",
        "no other attack finds more", "enough examples",
    }  # fmt: skip
    assert all(card(found, "weight_random").values())
    assert "no other attack finds more" not in card(found, "weight_random")


def test_the_curve_is_what_the_attack_finds_alone() -> None:
    found = run(PGD, {"name": "weight_random"})
    data, attack = digits().test, Attack.of(PGD)
    curve = found["attack/weight_pgd/accuracy"]
    assert curve.x_label == "eps_w, largest change of a weight"
    for eps, accuracy in zip(curve.x, curve.y, strict=True):
        alone = attack.run(trained(), data.x, data.y, eps=eps)
        assert accuracy == pytest.approx(1 - float(alone.fooled.float().mean()), abs=0.01)
    assert found["attack/worst/accuracy"].y == curve.y
    assert len(found["attack/weight_pgd/loss"].y) == 21
    assert not any(name.endswith("/gallery") for name in found)


def test_on_weights_the_worst_case_is_one_attack_and_no_mixture() -> None:
    # Every example shares the weights, so that what two attacks fool together nobody fools.
    kinds = [{"name": "weight_random", "draws": 2}, {**PGD, "steps": 2, "restarts": 1}]
    found = run(*kinds, eps_grid=[0.05])
    each = [found[f"attack/{kind['name']}/accuracy"].y[0] for kind in kinds]
    assert found["attack/worst/accuracy"].y == [min(each)]
    assert found["attack/worst/accuracy_at_largest_eps"] == min(each)


def test_draws_have_a_mean_and_a_spread() -> None:
    found = run({"name": "bit_flip", "draws": 6}, eps_grid=[0.0, 0.01, 0.025])
    worst, mean = (found[f"attack/bit_flip/{name}"] for name in ("accuracy", "mean_accuracy"))
    assert mean.x == [0.01, 0.025]
    assert mean.low == worst.y[1:]
    for low, middle, high in zip(mean.low, mean.y, mean.high, strict=True):
        assert low < middle < high
    assert worst.x_label == "p, probability that a bit flips"


def test_budgets_of_another_meaning_are_no_rivals() -> None:
    relative = {"name": "quantize"}, {**PGD, "relative": True}
    found = run(*relative, eps_grid=[0.0, 0.072, 0.5])
    assert found["attack/worst/accuracy"].y == [
        min(pair)
        for pair in zip(*(found[f"attack/{a['name']}/accuracy"].y for a in relative), strict=True)
    ]
    apart = run({"name": "weight_random"}, {**PGD, "relative": True}, eps_grid=[0.5])
    assert apart["attack/worst/accuracy"].y == apart["attack/weight_random/accuracy"].y


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts an attack into the catalogue for one test."""

    def entered(cls: type[Attack], name: str) -> dict[str, Any]:
        registry.entries("attack")
        monkeypatch.setattr(cls, "name", classmethod(lambda _: name))
        monkeypatch.setitem(registry._ENTRIES, ("attack", name), cls)
        return {"name": name}

    return entered


class Lazy(WeightBallAttack):
    """Looks nowhere."""

    steps: int = 3

    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        yield 1.0
        return victim.best


def test_a_weight_attack_weaker_than_chance_fails(enter: Any) -> None:
    net = trained()
    found = run(enter(Lazy, "lazy"), PGD, net=net, eps_grid=[0.0, 0.2])
    assert not card(found, "lazy")["random noise is not stronger"]
    assert not card(found, "lazy")["no other attack finds more"]
    assert card(found, "lazy")["scored again in a fresh pass"]


class Boasting(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        yield 1.0
        best = victim.best
        return Found(best.w, best.x, (victim.y + 1) % 10, 0, 9.0)


def test_a_weight_attack_that_claims_too_much_is_found_out(enter: Any) -> None:
    assert not card(run(enter(Boasting, "boasting")), "boasting")["scored again in a fresh pass"]


class Far(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        w = {name: tensor + 2 * eps for name, tensor in victim.center.items()}
        return (yield from victim.look(w, victim.x))


class Elsewhere(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        return (yield from victim.look(victim.center, 1 - victim.x))


class Others(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        name, tensor = next(iter(victim.center.items()))
        return (yield from victim.look({name: tensor}, victim.x))


class InPlace(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        for tensor in victim.center.values():
            tensor.zero_()
        return (yield from victim.look(victim.center, victim.x))


class NotFinite(Lazy):
    def search(self, victim: WeightVictim, eps: float) -> Generator[float, None, Found]:
        w = {name: tensor * torch.nan for name, tensor in victim.center.items()}
        return (yield from victim.look(w, victim.x))


@pytest.mark.parametrize("liar", [Far, Elsewhere, Others, InPlace, NotFinite])
def test_a_weight_attack_that_breaks_the_rules_is_refused(liar: type[Lazy]) -> None:
    data, net = digits().test.head(50), trained()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(LabError) as error:
        liar().run(net, data.x, data.y, eps=0.01)
    assert error.value.code == "bad_attack"
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_transfer_does_harm_and_less_than_pgd() -> None:
    found = run(
        {"name": "pgd"}, {"name": "transfer"}, transfer_from="another", eps_grid=[0.0, 0.1, 0.15]
    )
    own, theirs = (found[f"attack/{name}/accuracy"].y for name in ("pgd", "transfer"))
    assert own[0] == theirs[0]
    assert own[2] < theirs[2] < own[0] - 0.1
    assert card(found, "pgd")["no other attack finds more"]
    assert found["attack/transfer/loss"].y[-1] > found["attack/transfer/loss"].y[0]


class Shattered(nn.Module):
    """Rounds its inputs, so that its gradient is zero; transfer sees through it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = trained()((x.detach() * 16).round() / 16)
        return out


def test_transfer_and_square_unmask_a_net_that_hides_its_gradient() -> None:
    found = run(
        {"name": "pgd"}, {"name": "transfer"}, {"name": "square", "queries": 200},
        net=Shattered(), transfer_from="another", eps_grid=[0.0, 0.15], limit=200,
    )  # fmt: skip
    checks = card(found, "pgd")
    assert not checks["no other attack finds more"]
    assert not checks["gradients are not zero"]
    final = {n: found[f"attack/{n}/accuracy"].y[-1] for n in ("pgd", "transfer", "square")}
    assert final["transfer"] < final["pgd"] - 0.2
    assert final["square"] < final["pgd"] - 0.2


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"attacks": [{"name": "pgd"}, PGD]}, "attacks.1"),
        ({"attacks": [{"name": "corruptions"}], "eps_grid": [6]}, "eps_grid.0"),
        ({"attacks": [{"name": "transfer"}]}, "transfer_from"),
        ({"attacks": [{"name": "pgd"}], "transfer_from": "x"}, "transfer_from"),
        ({"attacks": [{"name": "pgd"}], "split": "validation"}, "split"),
    ],
)
def test_what_cannot_be_measured_together_is_refused(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(LabError) as error:
        next(iter(evaluate(spec, trained(), digits())))
    assert error.value.code == "bad_spec"
    assert error.value.message.startswith(field)


def test_a_layer_the_network_has_not_is_refused() -> None:
    with pytest.raises(LabError) as error:
        run({**PGD, "layer": 3})
    assert error.value.code == "bad_spec"
