"""What fields of specs and their values are called."""

from __future__ import annotations

import pytest

from frontend.api import Catalog
from frontend.views import fields
from frontend.views.sweepform import offered

TITLES = {"cross_entropy": "Cross-entropy", "weissi": "WEISSI", "mlp": "MLP", "pgd": "PGD"}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("methods.weissi.strength", "WEISSI strength"),
        ("methods.weight_noise.std", "weight noise std"),
        ("methods.adversarial.attack.eps", "adversarial attack ε"),
        ("methods", "Methods"),
        ("dataset", "Data set"),
        ("optimizer.lr", "Learning rate"),
        ("seed", "Seed"),
        ("log_every", "Measure every (steps)"),
    ],
)
def test_a_field_is_called_by_titles_and_words(path: str, words: str) -> None:
    assert fields.words(path, TITLES) == words


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("spec.methods.1.strength", "WEISSI strength"),
        ("spec.methods.1", "Method 2"),
        ("spec.methods.1.name", "Method 2"),
        ("spec.model.name", "Network"),
        ("spec.optimizer.lr", "Learning rate"),
    ],
)
def test_a_swept_field_is_called_by_what_stands_at_its_place(path: str, words: str) -> None:
    base = {"spec": {"methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 1}]}}
    assert fields.swept(path, base, TITLES) == words


def test_a_field_that_the_form_gives_another_name_has_it_wherever_it_is_told(
    catalog: Catalog,
) -> None:
    known = fields.titles(catalog)
    spec = {"optimizer": {"name": "sgd", "lr": 0.1, "decay": 0.1, "decay_at": [0.5]}}
    told = [one["words"] for one in offered({"spec": spec}, known)]
    assert told == ["Optimizer", "Learning rate", "Drop factor", "Drops at"]
    assert fields.words("optimizer.decay", known) == "Drop factor"


def test_values_are_titles_where_they_name_entries() -> None:
    assert fields.value("methods", "cross_entropy + weissi", TITLES) == "Cross-entropy + WEISSI"
    assert fields.telling("methods", "cross_entropy + weissi", TITLES) == "WEISSI"
    assert fields.telling("methods", "cross_entropy", TITLES) == "Cross-entropy alone"
    assert fields.value("model", "mlp", TITLES) == "MLP"
    assert fields.value("model", "tomorrow_net", TITLES) == "tomorrow net"
    assert fields.value("model.bias", True, TITLES) == "yes"
    assert fields.value("methods.weissi.strength", None, TITLES) == "–"


def test_the_script_is_told_only_of_values_that_have_other_words() -> None:
    apart = {"model.bias": [True, False, None], "methods.weissi.strength": [0.1, 1e-05]}
    told = fields.for_script(apart, TITLES)
    assert told["titles"] == {"model.bias": "Bias", "methods.weissi.strength": "WEISSI strength"}
    assert told["said"]["model.bias"] == {"true": "yes", "false": "no"}
    assert told["said"]["methods.weissi.strength"] == {}


def test_the_form_offers_each_field_in_its_section() -> None:
    weissi = {"name": "weissi", "strength": 1}
    spec = {
        "dataset": {"name": "digits", "seed": 3},
        "model": {"name": "mlp", "hidden": [64, 64]},
        "methods": [{"name": "cross_entropy"}, weissi],
        "diagnostics": [{"name": "accuracy", "every": 5}],
        "seed": 0,
    }
    told = [(one["group"], one["words"]) for one in offered({"spec": spec}, TITLES)]
    assert told == [
        ("Data", "Data set"),
        ("Data", "Seed"),
        ("Network", "Network"),
        ("Network", "Hidden"),
        ("Methods", "Method 1"),
        ("Methods", "Method 2"),
        ("Methods", "WEISSI strength"),
        ("Run", "Seed"),
    ]
    assert offered({"spec": spec}, TITLES)[3]["value"] == [64, 64]
