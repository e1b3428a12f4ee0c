"""Every check of the evaluation card passes on an honest net and fails on one built to fail it."""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from tests.lab.nets import Linear2, Quantised, digits, trained
from worker.contract.events import Measured
from worker.lab import evaluate
from worker.lab.core import registry
from worker.lab.core.card import Trial, _inputs
from worker.lab.core.input_attack import LpAttack
from worker.lab.core.tally import Tally
from worker.lab.core.task import Split, Task
from worker.lab.core.victim import Victim

EVAL = "eval mode, the same answer twice"
INPUTS = "inputs in [0, 1], normalised inside the network"
ZERO = "eps 0 equals clean accuracy"
EPS = "accuracy does not rise with eps"
STEPS = "accuracy does not rise with steps"
GRADIENTS = "gradients are not zero"
LOSS = "the loss rises along the attack"
NOISE = "random noise is not stronger"
FRESH = "scored again in a fresh pass"
OTHERS = "no other attack finds more"
ENOUGH = "enough examples"
PGD = {"name": "pgd", "steps": 10}
LONG = {"name": "pgd", "steps": 40}
GRID = [0.0, 0.02, 0.05, 0.1]


def cards(
    net: nn.Module, *attacks: dict[str, Any], task: Task | None = None, **spec: Any
) -> dict[str, dict[str, bool]]:
    """Which checks passed, by attack."""
    asked = {"attacks": list(attacks), "eps_grid": GRID, "limit": 600, **spec}
    found: dict[str, dict[str, bool]] = {}
    for event in evaluate(asked, net, task or digits()):
        if isinstance(event, Measured):
            for name, value in event.values.items():
                if name.endswith("/card"):
                    columns = value.columns  # type: ignore[union-attr]
                    assert all(columns["detail"])
                    found[name.split("/")[1]] = dict(
                        zip(columns["check"], columns["passed"], strict=True)  # type: ignore[arg-type]
                    )
    return found


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts an attack into the catalogue for one test."""

    def entered(cls: type[LpAttack], name: str) -> dict[str, Any]:
        registry.entries("attack")
        monkeypatch.setattr(cls, "name", classmethod(lambda _: name))
        monkeypatch.setitem(registry._ENTRIES, ("attack", name), cls)
        return {"name": name}

    return entered


def test_an_honest_net_under_pgd_passes_every_check():
    found = cards(trained(), LONG)
    assert all(found["pgd"].values())
    assert set(found["pgd"]) == {
        EVAL, INPUTS, ZERO, EPS, STEPS, GRADIENTS, LOSS, NOISE, FRESH, ENOUGH
    }  # fmt: skip


def test_all_checks_pass_on_grids_without_zero_and_with_only_zero():
    assert all(cards(trained(), LONG, eps_grid=[0.05])["pgd"].values())
    assert all(cards(trained(), PGD, eps_grid=[0.0])["pgd"].values())


class AlwaysDropping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = trained()(F.dropout(x, 0.3, training=True))
        return out


def test_dropout_that_stays_on_fails_eval_mode_and_moves_predictions_at_eps_zero():
    found = cards(AlwaysDropping(), PGD)["pgd"]
    assert not found[EVAL]
    assert not found[ZERO]


class BackToTraining(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        self.train()
        out: Tensor = trained()(x)
        return out


def test_a_net_that_leaves_eval_mode_fails_the_check():
    assert not cards(BackToTraining(), PGD)["pgd"][EVAL]


def squares(mean: float, std: float, low: float = 0.0) -> Task:
    """Points whose class says whether the first input is above its middle."""
    x = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) * (1 - low) + low
    split = Split(x, (x[:, 0] > 0.5).long())
    return replace(
        digits(), train=split, test=split, layout="points", classes=("a", "b"),
        mean=(mean, mean), std=(std, std),
    )  # fmt: skip


def test_a_net_that_needs_its_inputs_normalised_outside_fails():
    expects_normalised = Linear2(torch.tensor([1.0, 0.0]), 0.0)
    assert not cards(expects_normalised, PGD, task=squares(0.5, 0.25))["pgd"][INPUTS]
    expects_plain = Linear2(torch.tensor([1.0, 0.0]), -0.5)
    assert cards(expects_plain, PGD, task=squares(0.5, 0.25))["pgd"][INPUTS]


def test_inputs_outside_the_box_fail():
    task = squares(0.5, 0.25)
    outside = Split(task.test.x * 1.5 - 0.25, task.test.y)
    net = Linear2(torch.tensor([1.0, 0.0]), -0.5)
    # An attack refuses such inputs before a card is made, so the check is asked alone.
    tally = Tally(LpAttack(), (0.0,), outside.y)
    trial = Trial(net, task, outside, outside.y, tally, [tally], 0)
    assert [check.passed for check in _inputs(trial)] == [False]


class OnlyNearby(LpAttack):
    """Gives up where it would be easiest."""

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        steps = 10 if victim.ball.eps < 0.06 else 0
        yield from victim.climb(victim.x, steps=steps, lr=0.2, loss="ce")
        return victim.best


def test_an_attack_that_is_weaker_at_a_larger_budget_fails(enter):
    found = cards(trained(), enter(OnlyNearby, "only_nearby"))["only_nearby"]
    assert not found[EPS]
    assert found[ZERO]


class Tiring(LpAttack):
    """Finds less the longer it looks."""

    steps: int = Field(20)

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        yield from victim.climb(victim.x, steps=max(1, 12 - self.steps), lr=0.2, loss="ce")
        return victim.best if self.steps < 12 else victim.x


def test_an_attack_that_is_weaker_with_more_steps_fails(enter):
    assert cards(trained(), enter(Tiring, "tiring"))["tiring"][STEPS] is False


def test_an_attack_that_more_steps_would_still_help_is_told_so():
    assert cards(trained(), PGD)["pgd"][STEPS] is None
    told = {
        check: detail
        for event in evaluate(
            {"attacks": [PGD], "eps_grid": GRID, "limit": 150}, trained(), digits()
        )
        if isinstance(event, Measured) and (card := event.values.get("attack/pgd/card"))
        for check, detail in zip(card.columns["check"], card.columns["detail"], strict=True)  # type: ignore[union-attr]
    }
    points = re.match(r"not converged: doubling the steps still costs ([\d.]+) points", told[STEPS])
    assert points, told
    assert float(points[1]) > 2
    assert told[STEPS].endswith("(n = 150)")


def test_a_net_that_hides_its_gradient_fails():
    # A start on the clean image, and cross-entropy alone: what a careless evaluation would do.
    naive = {"name": "pgd", "steps": 10, "random_start": False, "restarts": 1, "loss": "ce"}
    found = cards(Quantised(trained(), 4), naive, eps_grid=[0.0, 0.1, 0.2])["pgd"]
    assert not found[GRADIENTS]
    assert not found[LOSS]
    assert not found[NOISE]
    assert found[EVAL]


class Boasting(LpAttack):
    """Says that it fooled everything."""

    def search(self, victim: Victim) -> Generator[float, None, Tensor]:
        victim.fooled[:] = True
        yield 1.0
        return victim.x


def test_an_attack_that_claims_too_much_is_found_out(enter):
    assert not cards(trained(), enter(Boasting, "boasting"))["boasting"][FRESH]


def test_an_attack_that_another_beats_is_told_so():
    found = cards(trained(), {"name": "fgsm"}, {"name": "pgd"}, eps_grid=[0.15])
    assert not found["fgsm"][OTHERS]
    assert found["pgd"][OTHERS]
    other_norm = cards(trained(), {"name": "fgsm", "norm": "l2"}, {"name": "pgd"}, eps_grid=[0.15])
    assert OTHERS not in other_norm["fgsm"]


def test_too_few_examples_fail():
    assert not cards(trained(), PGD, limit=50)["pgd"][ENOUGH]
    assert cards(trained(), PGD, limit=600)["pgd"][ENOUGH]
