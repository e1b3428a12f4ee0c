"""A trained network under diagnosis: the readings are the diagnostics' own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from worker.contract.events import AnyEvent, Finished, Measured, Saved, Started
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint, diagnose, fit
from worker.lab.core.errors import LabError

RECIPE = TrainSpec.model_validate(
    {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [16]}, "epochs": 2}
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Measured]:
    folder = tmp_path_factory.mktemp("trained")
    events = list(fit(RECIPE, folder=folder))
    last = [event for event in events if isinstance(event, Measured)][-1]
    (saved,) = (event for event in events if isinstance(event, Saved))
    return folder / saved.name, last


def told(file: Path, *names: str, **more: Any) -> list[AnyEvent]:
    model, task = checkpoint.load(file, RECIPE, None)
    spec = {"diagnostics": [{"name": name} for name in names]}
    return list(diagnose(spec, model, task, RECIPE, **more))


def test_it_finds_what_training_told_last(trained: tuple[Path, Measured]) -> None:
    file, last = trained
    events = told(file, "accuracy", "intrinsic_norms", "layer_norms")
    values = {k: v for e in events if isinstance(e, Measured) for k, v in e.values.items()}
    for name in ("test/accuracy", "test/loss", "norm/intrinsic", "norm/layer/layer1"):
        assert values[name] == pytest.approx(last.values[name], rel=1e-5)
    assert isinstance(events[-1], Finished)


def test_what_does_not_apply_is_skipped_and_told(trained: tuple[Path, Measured]) -> None:
    events = told(trained[0], "accuracy", "decision_regions")
    assert isinstance(events[0], Started)
    assert events[0].info["skipped"] == ["decision_regions"]
    assert events[0].steps == 1
    with pytest.raises(LabError, match="none of these can be measured on digits"):
        told(trained[0], "decision_regions")


def test_what_needs_something_else_of_the_network_is_refused(
    trained: tuple[Path, Measured],
) -> None:
    with pytest.raises(LabError, match=r"diagnostics\.1: effective_learning_rate needs batch"):
        told(trained[0], "accuracy", "effective_learning_rate")


def test_a_network_too_large_to_compute_with_is_refused(trained: tuple[Path, Measured]) -> None:
    model, task = checkpoint.load(trained[0], RECIPE, None)
    for weight in model.parameters():
        weight.data.fill_(3e38)
    with pytest.raises(LabError, match="spectral_norms: the network's numbers") as error:
        list(diagnose({"diagnostics": [{"name": "spectral_norms"}]}, model, task, RECIPE))
    assert error.value.code == "bad_model"


def test_it_stops_when_asked(trained: tuple[Path, Measured]) -> None:
    events = told(trained[0], "accuracy", "layer_norms", stop=lambda: True)
    assert isinstance(events[-1], Finished)
    assert events[-1].state == "cancelled"
    assert len(events) == 3


def test_it_leaves_the_model_as_it_was(trained: tuple[Path, Measured]) -> None:
    model, task = checkpoint.load(trained[0], RECIPE, None)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for _ in diagnose({"diagnostics": [{"name": "accuracy"}]}, model, task, RECIPE):
        assert torch.is_grad_enabled()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_untrained_network_is_that_of_step_0(trained: tuple[Path, Measured]) -> None:
    _, task = checkpoint.load(trained[0], RECIPE, None)
    first = next(e for e in fit(RECIPE) if isinstance(e, Measured))
    norms = [
        float(w.detach().norm()) for _, w in checkpoint.untrained(RECIPE, task).named_parameters()
    ]
    assert first.values["norm/layer/layer1"] == pytest.approx(norms[0], rel=1e-6)


def test_an_unknown_diagnostic_is_refused(trained: tuple[Path, Measured]) -> None:
    with pytest.raises(LabError, match="no diagnostic is called"):
        told(trained[0], "nothing")
