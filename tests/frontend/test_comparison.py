"""What tells jobs apart, and which of their measurements Compare shows."""

from __future__ import annotations

from typing import Any

from frontend.views import comparison
from frontend.views.differences import differing, flat


def job(**spec: Any) -> Any:
    return {"id": "abc", "name": "a job", "spec": spec}


def test_a_spec_becomes_paths_with_plain_values() -> None:
    spec = {
        "dataset": {"name": "digits", "examples": 10},
        "model": {"name": "mlp", "hidden": [128, 64]},
        "methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.1}],
        "diagnostics": [{"name": "accuracy"}],
        "seed": 3,
    }
    assert flat(spec) == {
        "dataset": "digits",
        "dataset.examples": 10,
        "model": "mlp",
        "model.hidden": "128–64",
        "methods": "cross_entropy + weissi",
        "methods.weissi.strength": 0.1,
        "seed": 3,
    }


def test_only_fields_that_differ_are_told_and_what_a_job_lacks_is_none() -> None:
    plain = [{"name": "cross_entropy"}]
    found = differing(
        [
            job(methods=plain, seed=0, epochs=2),
            job(methods=[*plain, {"name": "weissi", "strength": 0.1}], seed=0, epochs=2),
        ]
    )
    assert found == {
        "methods": ["cross_entropy", "cross_entropy + weissi"],
        "methods.weissi.strength": [None, 0.1],
    }


def test_methods_in_another_order_have_the_same_strengths() -> None:
    one, other = {"name": "weissi", "strength": 0.1}, {"name": "cross_entropy"}
    assert list(differing([job(methods=[one, other]), job(methods=[other, one])])) == ["methods"]


def test_how_a_run_was_watched_does_not_tell_jobs_apart() -> None:
    assert not differing([job(log_every=1, diagnostics=[]), job(log_every=5, diagnostics=[])])


def test_the_address_chooses_measurements_among_those_there_are() -> None:
    names = ["a", "norm/intrinsic", "test/accuracy", "train/loss"]
    assert comparison.shown(names, {"name": "a,unknown"}) == ["a"]
    assert comparison.shown(names, {}) == ["train/loss", "test/accuracy", "norm/intrinsic"]
    assert comparison.shown(["x", "y", "z"], {"name": "unknown"}) == ["x", "y"]
    assert comparison.shown([], {}) == []


def test_a_cards_key_has_letters_and_numbers_only() -> None:
    assert comparison.key("norm/layer 10") == "cmp-norm-layer-10"


def test_a_measurement_is_called_by_its_words_and_its_definition_by_its_name() -> None:
    assert comparison.called("train/loss") == "Training loss with penalties (nats)"
    assert comparison.called("robust accuracy") == "Robust accuracy"
    cards = str(comparison.cards(["train/loss", "diagnostic/tomorrow/new_thing"]))
    assert "In REST and in files: train/loss." in cards
    assert "In REST and in files: diagnostic/tomorrow/new_thing." in cards


def test_names_that_begin_alike_are_shortened_to_what_differs() -> None:
    def named(*names: str) -> list[Any]:
        return [{"id": "abc", "name": name} for name in names]

    assert comparison.labels(named("s · lr=1", "s · lr=2")) == ["lr=1", "lr=2"]
    assert comparison.labels(named("a", "b")) == ["a", "b"]
    assert comparison.labels(named("s · a", "s · a")) == ["a", "a"]
    assert comparison.labels(named("s", "s · a")) == ["s", "s · a"]
    assert comparison.labels(named("")) == ["abc"]
    assert comparison.labels([]) == []


def test_a_comparison_of_like_specs_says_so_and_others_have_a_row_a_field() -> None:
    jobs = [job(seed=0, epochs=1), job(seed=1, epochs=1)]
    apart = differing(jobs)
    assert "Seed" in str(comparison.table(jobs, apart, {}))
    assert "the same in every field" in str(comparison.table(jobs[:1], {}, {}))
