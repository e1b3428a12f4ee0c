"""Probes that move weights tell what the attacks on weights find, and leave the network alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from tests.lab.subject import subject as subject
from worker.contract.measurement import Curve, Images, Surface, Table, Value
from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.point import Point, look
from worker.lab.core.probe import Probe, Subject

GRID = [0.0, 0.05, 0.2, 0.5]
CLIMB = {"name": "weight_pgd", "norm": "l2", "relative": True, "steps": 5, "restarts": 1}
JOINT = {"name": "joint", "weight_norm": "l2", "relative": True, "steps": 3, "restarts": 1}


def flips(subject: Subject, **asked: Any) -> dict[str, Value]:
    wanted = {"attack": CLIMB, "eps_grid": GRID, "examples": 30, **asked}
    return Probe.of({"name": "weight_flips", **wanted}).answer(subject, torch.Generator())


def grid(subject: Subject, **asked: Any) -> Surface:
    wanted = {"attack": JOINT, "examples": 30, "eps_x": [0.0, 0.1, 0.2], **asked}
    found = Probe.of({"name": "joint_grid", **wanted}).answer(subject, torch.Generator())
    surface = found["accuracy/0"]
    assert isinstance(surface, Surface)
    return surface


def curve(found: Value) -> list[Any]:
    assert isinstance(found, Curve)
    return found.y


def columns(found: Value) -> dict[str, list[Any]]:
    assert isinstance(found, Table)
    return found.columns


def test_what_flips_is_what_the_attack_finds_on_each_network(subject: Subject) -> None:
    found = flips(subject)
    shown = subject.examples("test", 0, 30)
    for place, model in enumerate((subject.model, *subject.peers)):
        own = model(shown.x).argmax(1)
        for row, eps in enumerate(GRID):
            result = Attack.of(CLIMB).run(model, shown.x, shown.y, eps=eps)
            share = float((result.prediction != own).double().mean())
            assert curve(found[f"flipped/{place}"])[row] == pytest.approx(share)
            right = float((~result.fooled).double().mean())
            assert curve(found[f"accuracy/{place}"])[row] == pytest.approx(right)
            classes = [subject.task.classes[at] for at in result.prediction.tolist()]
            assert columns(found[f"seen/{place}"])[str(row)] == classes
    assert curve(found["flipped/0"])[0] == 0
    assert curve(found["flipped/0"])[-1] > 0.2, "nothing flips: the test shows nothing"


def test_the_probabilities_are_those_at_the_moved_weights(subject: Subject) -> None:
    told = columns(flips(subject)["chances/1"])
    shown, model = subject.examples("test", 0, 30), subject.peers[0]
    w = Attack.of(CLIMB).run(model, shown.x, shown.y, eps=GRID[2]).w
    chances = look(model, Point(shown.x, w)).softmax(1)
    rows = zip(*(told[name] for name in ("example", "budget", "class", "probability")), strict=True)
    mine = {(example, name): p for example, budget, name, p in rows if budget == 2}
    wanted = {
        (example, subject.task.classes[k]): float(p)
        for example, found in enumerate(chances.tolist())
        for k, p in enumerate(found)
        if p >= 0.01
    }
    assert mine == pytest.approx(wanted, abs=1e-5)


def test_examples_keep_their_place_in_the_split(subject: Subject) -> None:
    found = flips(subject, start=7, examples=5, pictures=True, eps_grid=[0.0])
    assert columns(found["seen/0"])["example"] == [7, 8, 9, 10, 11]
    labels = [subject.task.classes[at] for at in subject.task.test.y[7:12].tolist()]
    assert columns(found["seen/0"])["label"] == labels
    assert isinstance(found["pictures"], Images)
    assert len(found["pictures"].groups["clean"]) == 5


def test_nothing_at_no_budget_and_never_more_left_at_a_larger_one(subject: Subject) -> None:
    found = grid(subject, eps_w=[0.0, 0.05, 0.3])
    shown = subject.examples("test", 0, 30)
    clean = float((subject.model(shown.x).argmax(1) == shown.y).double().mean())
    z: list[list[Any]] = found.z
    assert z[0][0] == pytest.approx(clean)
    assert z[-1][-1] < clean - 0.2, "nothing is fooled: the test shows nothing"
    lines = [*z, *map(list, zip(*z, strict=True))]
    assert all(later <= sooner for line in lines for sooner, later in itertools.pairwise(line))


def test_a_pair_of_budgets_leaves_what_the_joint_attack_leaves(subject: Subject) -> None:
    shown = subject.examples("test", 0, 30)
    result = Attack.of({**JOINT, "eps_w": 0.1}).run(subject.model, shown.x, shown.y, eps=0.1)
    left = float((~result.fooled).double().mean())
    assert grid(subject, eps_x=[0.1], eps_w=[0.1]).z[0][0] == pytest.approx(left)


def test_the_models_are_left_as_they_were(subject: Subject) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    flips(subject)
    grid(subject, eps_w=[0.1])
    assert all(torch.equal(v, before[n]) for n, v in subject.model.state_dict().items())
    assert all(weight.grad is None for weight in subject.model.parameters())


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "weight_flips", "start": 10**6},
        {"name": "weight_flips", "attack": {"name": "pgd"}},
        {"name": "joint_grid", "attack": {"name": "weight_pgd"}},
        {"name": "joint_grid", "start": 10**6},
    ],
)
def test_beyond_the_data_or_another_kind_of_attack_is_refused(
    subject: Subject, asked: dict[str, Any]
) -> None:
    with pytest.raises(LabError) as refused:
        Probe.of(asked).answer(subject, torch.Generator())
    assert refused.value.code == "bad_spec"
