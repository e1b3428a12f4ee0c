"""A run that was interrupted and resumed ends with the same weights, to the last bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.laws.fitting import fitting
from worker.contract.events import Finished
from worker.lab import fit
from worker.lab.core.errors import LabError
from worker.lab.core.registry import entries
from worker.lab.fit import FINAL
from worker.lab.states import left

METHODS = sorted(entries("method"))


def spec(name: str, **more: Any) -> dict[str, Any]:
    method: Any = entries("method")[name]
    return {
        "dataset": {"name": "moons", "examples": 200},
        "model": fitting(method, hidden=(16,)),
        "methods": [*([] if method.learns else [{"name": "cross_entropy"}]), {"name": name}],
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "schedule": "cosine"},
        "diagnostics": [{"name": "accuracy"}],
        "epochs": 3,
        "batch_size": 32,
        "seed": 3,
        **more,
    }


def train(asked: dict[str, Any], folder: Path, until: int = 10**6, resume: bool = False) -> str:
    """Train until so many steps were begun; how it ended."""
    begun, given = iter(range(until)), left([folder]) if resume else []
    events = list(fit(asked, folder=folder, stop=lambda: next(begun, None) is None, resume=given))
    assert isinstance(events[-1], Finished)
    return events[-1].state


def same(a: Path, b: Path) -> bool:
    one, two = load_file(a / FINAL), load_file(b / FINAL)
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", METHODS)
def test_a_resumed_run_is_the_uninterrupted_one(name: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(spec(name), whole) == "succeeded"
    assert train(spec(name), parts, until=10) == "cancelled"
    assert not same(whole, parts)
    torch.rand(7)  # whatever happened in between must not matter
    assert train(spec(name), parts, until=4, resume=True) == "cancelled"
    assert train(spec(name), parts, resume=True) == "succeeded"
    assert same(whole, parts)
    assert left([parts]) == []


def test_adamw_goes_on_with_its_moments(tmp_path: Path) -> None:
    asked = spec("cross_entropy", optimizer={"name": "adamw", "lr": 0.01})
    train(asked, tmp_path / "whole")
    train(asked, tmp_path / "parts", until=9)
    train(asked, tmp_path / "parts", resume=True)
    assert same(tmp_path / "whole", tmp_path / "parts")


def test_what_another_spec_left_is_refused(tmp_path: Path) -> None:
    train(spec("cross_entropy"), tmp_path, until=5)
    with pytest.raises(LabError, match="another spec"):
        train(spec("cross_entropy", seed=4), tmp_path, resume=True)
