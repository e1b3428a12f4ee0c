"""Processes that share each batch: what comes of it is what one process finds, to rounding."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from worker.contract.events import DEVICE_FAILED, AnyEvent, Finished, Measured, Started
from worker.lab import fit
from worker.lab.core.errors import LabError
from worker.lab.core.registry import entries
from worker.lab.fit import FINAL
from worker.lab.states import Keeping, left

BASE: dict[str, Any] = {
    "dataset": {"name": "moons", "examples": 193},
    "model": {"name": "mlp", "hidden": [16, 16]},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "epochs": 3,
    "batch_size": 64,
    "log_every": 1,
    "device": "cpu",
}
LONG = {**BASE, "epochs": 10_000, "log_every": 50}


def methods(*names: str) -> dict[str, Any]:
    return {"methods": [{"name": name} for name in names]}


def values(events: list[AnyEvent]) -> dict[tuple[int, str], float]:
    """Every scalar that was told, by step and name."""
    return {
        (event.step, name): float(value)
        for event in events
        if isinstance(event, Measured)
        for name, value in event.values.items()
        if isinstance(value, float | int)
    }


def peers() -> list[psutil.Process]:
    found = psutil.Process().children(recursive=True)
    return [one for one in found if "worker.lab.peer" in " ".join(one.cmdline())]


SHARED = {
    "penalties": methods("cross_entropy", "lp", "weissi", "spectral_norm", "input_gradient"),
    "bounds": methods("label_smoothing", "spectral_decoupling", "weight_perturbation"),
    "lengths": methods("cross_entropy", "weight_normalization"),
}


def test_every_method_that_says_so_is_tried() -> None:
    said = {name for name, method in entries("method").items() if method.parts}
    assert said == {one["name"] for spec in SHARED.values() for one in spec["methods"]}


@pytest.mark.parametrize(
    "which",
    ["penalties", *(pytest.param(name, marks=pytest.mark.slow) for name in ("bounds", "lengths"))],
)
def test_two_processes_find_what_one_does(which: str, tmp_path: Path) -> None:
    spec = {**BASE, **SHARED[which]}
    alone = list(fit(spec, folder=tmp_path / "one"))
    both = list(fit({**spec, "processes": 2}, folder=tmp_path / "two"))
    assert peers() == []
    one, two = (load_file(tmp_path / name / FINAL) for name in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-4, atol=1e-5)
    assert values(both) == pytest.approx(values(alone), rel=1e-3, abs=1e-4)


def test_stopped_together_and_resumed_together(tmp_path: Path) -> None:
    """What is left half-way leads to the very same weights."""
    spec = {**BASE, **methods("cross_entropy"), "epochs": 12, "processes": 2}
    list(fit(spec, folder=tmp_path / "whole"))
    stops = iter([False] * 20)
    first = list(fit(spec, folder=tmp_path / "1", stop=lambda: next(stops, True)))
    assert isinstance(first[-1], Finished)
    assert (first[-1].state, first[-1].step) == ("cancelled", 21)
    states = left([tmp_path / "1"])
    second = list(fit(spec, folder=tmp_path / "2", resume=states, keeping=Keeping()))
    assert isinstance(second[0], Started)
    assert second[0].info["resumed_at"] == 21
    whole, half = (load_file(tmp_path / name / FINAL) for name in ("whole", "2"))
    assert all(torch.equal(weight, half[name]) for name, weight in whole.items())


def going(spec: dict[str, Any]) -> tuple[Iterator[AnyEvent], list[psutil.Process]]:
    events = fit({**spec, "processes": 2})
    for event in events:
        if isinstance(event, Measured):
            break
    return events, peers()


def test_a_process_that_dies_is_nobodys_fault(tmp_path: Path) -> None:
    events, (peer,) = going(LONG)
    peer.kill()
    with pytest.raises(LabError) as raised:
        list(events)
    assert raised.value.code == DEVICE_FAILED


def test_whoever_looks_no_further_leaves_nobody_behind() -> None:
    events, (peer,) = going(LONG)
    events.close()  # type: ignore[attr-defined]
    assert not peer.is_running()
    assert not torch.distributed.is_initialized()


def test_no_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    with pytest.raises(LabError, match="5 processes want a core each; this worker has 4") as raised:
        next(iter(fit({**BASE, "processes": 5})))
    assert raised.value.code == "no_device"
    assert peers() == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (methods("cross_entropy", "sam"), "methods.1: sam looks at its batch as a whole"),
        (methods("trades"), "methods.0: trades looks at its batch as a whole"),
        ({"model": {"name": "mlp", "batch_norm": True}}, "processes: batch normalisation looks"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_the_reason(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(LabError, match=told) as raised:
        next(iter(fit({**BASE, **asked, "processes": 2})))
    assert raised.value.code == "bad_spec"
