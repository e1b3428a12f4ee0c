"""What every attack of the catalogue must do."""

from __future__ import annotations

import copy
from typing import Any, get_args

import pytest
import torch
from torch import nn

from tests.lab.nets import digits, trained
from worker.lab.core.attack import Attack, Attacked
from worker.lab.core.budget import Budget
from worker.lab.core.input_attack import InputAttack
from worker.lab.core.registry import entries
from worker.lab.core.weight_attack import WeightAttack

LESS = {"steps": 12, "queries": 200, "targets": 2, "restarts": 1, "draws": 3}
"""Enough for a law, and quick."""

ATTACKS = entries("attack")
CASES = [(name, budget) for name, cls in ATTACKS.items() for budget in cls.budgets]  # type: ignore[attr-defined]


def asked(name: str, budget: Budget, **more: Any) -> Attack | None:
    """The attack with that meaning of its budget; None where its parameters do not allow it."""
    fields = ATTACKS[name].model_fields
    values = {key: value for key, value in {**LESS, **more}.items() if key in fields}
    for key, value in budget.when.items():
        if value not in (get_args(fields[key].annotation) or (True, False)):
            return None
    return ATTACKS[name](**values, **budget.when)  # type: ignore[return-value]


@pytest.fixture(
    params=[case for case in CASES if asked(*case)], ids=lambda c: f"{c[0]}-{c[1].label}"
)
def attack(request: pytest.FixtureRequest) -> Attack:
    found = asked(*request.param)
    assert found
    return found


def strong(attack: Attack) -> float:
    """The largest budget that its card suggests."""
    return attack.budget.grid[-1]


def run(attack: Attack, net: nn.Module, eps: float, seed: int = 0) -> Attacked:
    data, generator = digits().test.head(100), torch.Generator().manual_seed(seed)
    other = trained(1) if attack.transfers else None
    return attack.run(net, data.x, data.y, eps=eps, generator=generator, other=other)


def test_it_stays_in_its_budget(attack: Attack) -> None:
    data, eps, net = digits().test.head(100), strong(attack), trained()
    found = run(attack, net, eps)
    if isinstance(attack, WeightAttack):
        center = attack.center(net)
        assert found.w.keys() == center.keys()
        assert attack.region(eps).contains(found.w, center)
        ball = attack.inputs(eps)
        assert ball or torch.equal(found.x, data.x)
    else:
        assert isinstance(attack, InputAttack)
        assert not found.w
        ball = attack.ball(eps)
    assert not ball or bool(ball.contains(found.x, data.x).all())


def test_it_does_harm(attack: Attack) -> None:
    clean = trained()(digits().test.x[:100]).argmax(1) != digits().test.y[:100]
    found = run(attack, trained(), strong(attack))
    assert int(found.fooled.sum()) >= int(clean.sum()) + (10 if attack.adversarial else 1)
    if attack.adversarial and attack.moves == "inputs":
        assert bool((found.fooled | ~clean).all())


def test_nothing_is_possible_with_nothing(attack: Attack) -> None:
    if "eps_w" in type(attack).model_fields:
        attack = attack.model_copy(update={"eps_w": 0.0})
    assert attack.idle(0.0)
    found = run(attack, trained(), 0.0)
    assert torch.equal(found.x, digits().test.x[:100])
    weights = dict(trained().named_parameters())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in found.w.items())
    assert float(found.size.max()) == 0


def test_a_seed_gives_the_same_again(attack: Attack) -> None:
    first, second = (run(attack, trained(), strong(attack), seed=3) for _ in range(2))
    assert torch.equal(first.x, second.x)
    assert all(torch.equal(tensor, second.w[name]) for name, tensor in first.w.items())
    assert (first.loss, first.draws) == (second.loss, second.draws)


def test_global_randomness_is_neither_used_nor_moved(attack: Attack) -> None:
    before = torch.get_rng_state()
    run(attack, trained(), strong(attack))
    assert torch.equal(torch.get_rng_state(), before)


def test_its_verdict_is_the_networks_own(attack: Attack) -> None:
    found = run(attack, trained(), strong(attack))
    net = copy.deepcopy(trained())
    net.load_state_dict({**net.state_dict(), **found.w})
    assert torch.equal(found.prediction, net(found.x).argmax(1))
    assert torch.equal(found.fooled, found.prediction != digits().test.y[:100])
    assert torch.equal(found.fooled, found.claimed)


def test_it_never_touches_the_model(attack: Attack) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(144, 10),
    )
    net[1].eval()
    net[5].weight.grad = torch.ones_like(net[5].weight)
    before = copy.deepcopy(net.state_dict())
    assert run(attack, net, strong(attack)).eval_mode
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [module.training for module in net] == [True, False, True, True, True, True]
    assert [p.grad is not None for p in net.parameters()] == [False] * 4 + [True, False]
    assert torch.equal(net[5].weight.grad, torch.ones_like(net[5].weight))
    assert all(parameter.requires_grad for parameter in net.parameters())


STRONGER = [
    ("pgd", "fgsm", {"steps": 40}),
    ("apgd", "fgsm", {}),
    ("apgd", "pgd", {"steps": 30}),
    ("fab", "fgsm", {"targets": 9}),
    ("autoattack", "apgd", {"queries": 0}),
    ("autoattack", "pgd", {"steps": 20, "targets": 4, "queries": 0}),
    ("autoattack", "square", {"targets": 1}),
    ("pgd", "transfer", {"steps": 40}),
    ("weight_pgd", "weight_random", {}),
]


@pytest.mark.parametrize(("name", "weaker", "more"), STRONGER, ids=lambda v: str(v)[:20])
def test_it_is_not_beaten_by_a_weaker_one(name: str, weaker: str, more: dict[str, Any]) -> None:
    pairs = [
        (better, worse, budget.grid[-1] * 0.4)
        for budget in ATTACKS[name].budgets  # type: ignore[attr-defined]
        if (better := asked(name, budget, **more))
        and (worse := asked(weaker, budget, **{**more, "restarts": 1}))
    ]
    assert pairs
    for better, worse, eps in pairs:
        assert better.budget == worse.budget
        most, least = (int(run(a, trained(), eps).fooled.sum()) for a in (better, worse))
        assert most >= least - 1, (better, eps)


def test_its_card_tells_paper_parameters_and_budgets(attack: Attack) -> None:
    entry = type(attack).entry()
    assert "arXiv:" in entry.paper
    assert all(field.get("description") for field in entry.schema_["properties"].values())
    assert entry.facts["moves"] in ("inputs", "weights", "both")
    assert attack.budget.label in [budget["label"] for budget in entry.facts["budgets"]]
    for budget in type(attack).budgets:
        assert list(budget.grid) == sorted({0.0, *budget.grid})
        assert budget.grid[-1] <= attack.most
    names = type(attack).model_fields
    for product in attack.passes:
        assert all(word.isdigit() or word in names for word in product.split("*"))
