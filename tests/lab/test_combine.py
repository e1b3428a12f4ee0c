"""The lab refuses what makes no sense before it trains, in the words of the backend."""

from __future__ import annotations

from typing import Any

import pytest

from worker.lab import fit
from worker.lab.core.errors import LabError
from worker.lab.core.registry import catalog, entries


def test_a_run_without_a_loss_to_learn_by_is_refused() -> None:
    spec = {
        "dataset": {"name": "moons", "examples": 100},
        "model": {"name": "mlp", "hidden": []},
        "methods": [{"name": "weissi"}],
    }
    with pytest.raises(LabError, match=r"^methods: none .* cross_entropy") as caught:
        next(fit(spec))
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize(("key", "value"), [("needs", ("batch_norm",)), ("excludes", {"lp": "no"})])
def test_needs_and_exclusions_are_refused_and_stand_in_the_catalogue(
    key: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries("method")["weissi"], key, value)
    spec = {
        "dataset": {"name": "moons", "examples": 100},
        "model": {"name": "mlp", "hidden": []},
        "methods": [{"name": "cross_entropy"}, {"name": "lp"}, {"name": "weissi"}],
    }
    with pytest.raises(LabError, match=r"^methods\.2: weissi") as caught:
        next(fit(spec))
    assert caught.value.code == "bad_spec"
    told = catalog().find("method", "weissi").facts[key]
    assert told == (list(value) if isinstance(value, tuple) else value)


def test_a_last_batch_that_cannot_be_normalised_is_refused() -> None:
    spec = {
        "dataset": {"name": "moons", "examples": 65},
        "model": {"name": "mlp", "hidden": [4], "batch_norm": True},
    }
    with pytest.raises(LabError, match=r"^batch_size: of 65 examples the last batch has one"):
        next(fit(spec))
    assert next(fit({**spec, "batch_size": 63}))
