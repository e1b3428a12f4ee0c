"""Combinations without sense, and the reasons given."""

from __future__ import annotations

from typing import Any

import pytest

from worker.contract import combine, plan
from worker.contract.combine import NEEDS, refusals
from worker.contract.spec import TrainSpec

FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("method", "cross_entropy"): {"learns": True},
    ("method", "other_loss"): {"learns": True},
    ("method", "rescaling"): {"needs": ["batch_norm"]},
    ("method", "gates"): {"needs": ["hidden", "convolutions"]},
    ("method", "loner"): {"excludes": {"rescaling": "both move", "optimizer/adam": "no theory"}},
    ("diagnostic", "rescaling"): {},
}
LINEAR, NORM, RELU = plan.Linear(out=4), plan.BatchNorm(), plan.Relu()


def refused(
    *methods: str,
    layers: list[plan.Resolved] | None = None,
    optimizer: str = "sgd",
    diagnostics: tuple[str, ...] = (),
) -> list[tuple[str, str]]:
    spec = {
        "dataset": {"name": "digits"},
        "model": {"name": "net"},
        "methods": [{"name": name} for name in methods],
        "optimizer": {"name": optimizer},
        "diagnostics": [{"name": name} for name in diagnostics],
    }
    chosen = combine.chosen(
        TrainSpec.model_validate(spec), lambda kind, name: FACTS.get((kind, name), {})
    )
    return refusals(chosen, [LINEAR] if layers is None else layers)


def fields(found: list[tuple[str, str]]) -> list[str]:
    return [field for field, _ in found]


def test_what_makes_sense_is_not_refused() -> None:
    assert refused("cross_entropy") == []
    assert refused("cross_entropy", "rescaling", layers=[LINEAR, NORM, RELU, LINEAR]) == []


def test_a_need_that_is_not_met_names_the_choice_and_the_model() -> None:
    ((field, reason),) = refused("cross_entropy", "rescaling")
    assert field == "methods.1"
    assert "rescaling needs batch normalisation" in reason
    assert "net has none" in reason


@pytest.mark.parametrize(
    ("layers", "met"),
    [
        ([LINEAR, NORM], True),
        ([LINEAR, RELU, NORM], False),
        ([NORM, LINEAR], False),
        ([plan.Residual(branch=[RELU, LINEAR, NORM])], True),
        ([LINEAR, plan.Residual(branch=[NORM, RELU])], False),
        ([plan.Residual(branch=[LINEAR], shortcut=[NORM])], False),
    ],
)
def test_batch_normalisation_counts_right_after_a_weight_layer(
    layers: list[plan.Resolved], met: bool
) -> None:
    assert NEEDS["batch_norm"].met(layers) == met


def test_every_need_is_told() -> None:
    assert fields(refused("cross_entropy", "gates")) == ["methods.1", "methods.1"]


def test_exclusion_goes_both_ways_and_is_told_once_at_the_later() -> None:
    layers: list[plan.Resolved] = [LINEAR, NORM]
    for order in (("loner", "rescaling"), ("rescaling", "loner")):
        ((field, reason),) = refused("cross_entropy", *order, layers=layers)
        assert field == "methods.2"
        assert "both move" in reason


def test_another_kind_is_excluded_by_its_kind_and_name() -> None:
    ((field, reason),) = refused("cross_entropy", "loner", optimizer="adam")
    assert (field, "no theory" in reason) == ("methods.1", True)
    assert refused("cross_entropy", "loner", diagnostics=("rescaling",)) == []


def test_one_method_is_the_loss_to_learn_by() -> None:
    ((field, reason),) = refused("cross_entropy", "other_loss")
    assert field == "methods.1"
    assert "cross_entropy and other_loss" in reason
    assert fields(refused("rescaling", layers=[LINEAR, NORM])) == ["methods"]


@pytest.mark.parametrize(
    ("layers", "shape", "examples", "size", "refused"),
    [
        ([LINEAR, NORM], (8,), 65, 64, True),
        ([LINEAR, NORM], (8,), 64, 1, True),
        ([LINEAR, NORM], (8,), 64, 64, False),
        ([LINEAR, NORM], (8,), 66, 64, False),
        ([LINEAR, RELU], (8,), 65, 64, False),
        ([plan.Conv(out=4), NORM], (1, 2, 2), 65, 64, False),
        ([plan.Conv(out=4), plan.MaxPool(), NORM], (1, 2, 2), 65, 64, True),
        ([plan.Residual(branch=[plan.Conv(out=1), NORM])], (1, 1, 1), 65, 64, True),
    ],
)
def test_batch_normalisation_of_one_number(
    layers: list[plan.Resolved], shape: tuple[int, ...], examples: int, size: int, refused: bool
) -> None:
    body = {"dataset": {"name": "digits"}, "model": {"name": "net"}, "batch_size": size}
    spec = TrainSpec.model_validate(body)
    found = combine.batch_refusals(spec, layers, shape, examples)
    assert fields(found) == ["batch_size"] * refused
