"""One example under attack tells the same as the attack itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.lab.subject import subject as subject
from worker.contract.measurement import Images, Table
from worker.lab.core.attack import Attack
from worker.lab.core.errors import LabError
from worker.lab.core.probe import Probe, Subject


def answer(subject: Subject, **asked: Any) -> dict[str, Any]:
    probe = Probe.of({"name": "attack_example", **asked})
    return dict(probe.answer(subject, torch.Generator()))


def columns(found: Any) -> dict[str, Any]:
    assert isinstance(found, Table)
    return found.columns


def test_it_is_the_attacks_own_result(subject: Subject) -> None:
    found = answer(subject, index=4, eps=0.2)
    one = subject.example("test", 4)
    for place, model in enumerate((subject.model, *subject.peers)):
        result = Attack.of({"name": "pgd"}).run(model, one.x, one.y, eps=0.2)
        assert columns(found["outcome"])["after"][place] == int(result.prediction[0])
        chances = model(result.x)[0].softmax(0).tolist()
        assert columns(found["probabilities"])[f"attacked {place}"] == pytest.approx(
            chances, abs=1e-6
        )
        assert columns(found["outcome"])["size"][place] == pytest.approx(float(result.size[0]))
        assert columns(found["outcome"])["size"][place] <= 0.2 + 1e-6


def test_a_budget_of_nothing_changes_nothing(subject: Subject) -> None:
    found = answer(subject, index=2, eps=0)
    table = columns(found["probabilities"])
    assert table["clean 0"] == pytest.approx(table["attacked 0"])
    assert columns(found["outcome"])["size"] == [0, 0]


def test_its_pictures_add_up(subject: Subject) -> None:
    images = answer(subject, index=4, eps=0.2)["pictures"]
    assert isinstance(images, Images)
    scale = images.scale["perturbation 0"]
    for clean, change, attacked in zip(
        *(images.groups[name][0] for name in ("clean", "perturbation 0", "attacked 0")), strict=True
    ):
        assert clean + (change - 127.5) * 2 * scale == pytest.approx(attacked, abs=1.6)


def test_the_model_is_left_as_it_was(subject: Subject) -> None:
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    answer(subject, index=1, eps=0.3)
    assert all(torch.equal(v, before[n]) for n, v in subject.model.state_dict().items())
    assert all(weight.grad is None for weight in subject.model.parameters())


def test_beyond_the_data_or_no_such_attack_is_refused(subject: Subject) -> None:
    with pytest.raises(LabError, match="index"):
        answer(subject, index=10**6)
    with pytest.raises(LabError, match="attack"):
        answer(subject, attack={"name": "nothing"})


def test_without_an_index_it_shows_one_that_is_right_until_it_is_attacked(subject: Subject) -> None:
    found = answer(subject, eps=0.3)
    outcome = columns(found["outcome"])
    assert outcome["before"][0] == found["label"], "the network was right"
    assert outcome["fooled"][0], "PGD finds at least what FGSM does"
    assert columns(answer(subject, index=int(found["index"]), eps=0.3)["outcome"]) == outcome
    assert answer(subject, eps=0)["index"] == 0, "nothing is turned without a budget"
