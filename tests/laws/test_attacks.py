"""What every attack of the catalogue must do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from tests.lab.nets import digits, trained
from worker.lab.core.attack import Attack, Attacked
from worker.lab.core.balls import Ball
from worker.lab.core.registry import entries

ATTACKS = entries("attack")
NORMS = ("linf", "l2")
LESS = {"steps": 20, "queries": 300, "targets": 3, "restarts": 1}
"""Enough for a law, and quick."""


def run(attack: Attack, net: nn.Module, eps: float, seed: int = 0) -> Attacked:
    data = digits().test.head(100)
    return attack.run(net, data.x, data.y, eps=eps, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=ATTACKS)
def attack(request: pytest.FixtureRequest) -> Attack:
    cls = ATTACKS[request.param]
    return cls(**{name: value for name, value in LESS.items() if name in cls.model_fields})  # type: ignore[return-value]


@pytest.fixture(params=NORMS)
def normed(request: pytest.FixtureRequest, attack: Attack) -> Attack:
    return attack.model_copy(update={"norm": request.param})


def test_it_stays_in_its_budget_and_does_harm(normed):
    data, eps = digits().test.head(100), {"linf": 0.1, "l2": 0.6}[normed.norm]
    found = run(normed, trained(), eps)
    assert bool(Ball(normed.norm, eps).contains(found.x, data.x).all())
    clean = trained()(data.x).argmax(1) != data.y
    assert bool((found.fooled | ~clean).all())
    assert int(found.fooled.sum()) > int(clean.sum()) + 10


def test_nothing_is_possible_with_nothing(normed):
    found = run(normed, trained(), 0.0)
    assert torch.equal(found.x, digits().test.x[:100])


def test_a_seed_gives_the_same_again(normed):
    first, second = (run(normed, trained(), 0.05, seed=3) for _ in range(2))
    assert torch.equal(first.x, second.x)
    assert first.loss == second.loss


def test_global_randomness_is_neither_used_nor_moved(normed):
    before = torch.get_rng_state()
    run(normed, trained(), 0.05)
    assert torch.equal(torch.get_rng_state(), before)


def test_its_verdict_is_the_networks_own(normed):
    found = run(normed, trained(), 0.1)
    fresh = trained()(found.x).argmax(1)
    assert torch.equal(found.prediction, fresh)
    assert torch.equal(found.fooled, fresh != digits().test.y[:100])


def test_it_never_touches_the_model(normed):
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
    run(normed, net, 0.1)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [module.training for module in net] == [True, False, True, True, True, True]
    assert [p.grad is not None for p in net.parameters()] == [False] * 4 + [True, False]
    assert torch.equal(net[5].weight.grad, torch.ones_like(net[5].weight))
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_its_card_tells_paper_and_parameters(attack):
    entry = type(attack).entry()
    assert "arXiv:" in entry.paper
    assert entry.help
    assert all(field.get("description") for field in entry.schema_["properties"].values())
