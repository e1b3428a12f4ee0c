"""Training tells what happens, and happens alike whoever watches."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from worker.contract.events import AnyEvent, Finished, Measured, Saved, Started
from worker.contract.measurement import Surface, Table
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint, fit
from worker.lab.core.batches import batches
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import Diverged, LabError
from worker.lab.core.model import Model
from worker.lab.core.task import Split

DIGITS: dict[str, Any] = {
    "dataset": {"name": "digits"},
    "model": {"name": "mlp", "hidden": [32]},
    "methods": [{"name": "cross_entropy"}, {"name": "weissi"}],
    "epochs": 3,
}


def told(spec: dict[str, Any], folder: Path | None = None) -> list[AnyEvent]:
    return list(fit({**DIGITS, **spec}, folder=folder))


def measured(events: list[AnyEvent]) -> list[Measured]:
    return [event for event in events if isinstance(event, Measured)]


def weights(spec: dict[str, Any], folder: Path) -> dict[str, Tensor]:
    told(spec, folder)
    return load_file(folder / "final.safetensors")


def test_events_come_in_order_and_are_numbered_without_gaps(tmp_path: Path) -> None:
    events = told({"log_every": 5}, tmp_path)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert isinstance(events[-2], Saved)
    assert [type(event) for event in events[1:-2]] == [Measured] * (len(events) - 3)
    seq = 1
    for event in events:
        assert event.seq == seq
        seq += len(event.values) if isinstance(event, Measured) else 1
    assert events[-1].state == "succeeded"
    assert events[-1].step == events[0].steps == 3 * 23


def test_started_names_every_scalar_that_comes_and_no_other() -> None:
    events = told({"methods": [{"name": "cross_entropy"}, {"name": "weissi", "direction": 0.001}]})
    start = events[0]
    assert isinstance(start, Started)
    seen = {name for event in measured(events) for name in event.values}
    assert set(start.info["series"]) == seen
    assert set(start.info["terms"]) == {name for name in seen if name.startswith("train/loss")}
    assert "train/loss/weissi/direction" in seen
    assert start.info["layers"] == ["layer1", "layer2"]
    assert start.info["parameters"] == 64 * 32 + 32 + 320 + 10


def test_measuring_does_not_change_training(tmp_path: Path) -> None:
    for model in ({"name": "mlp", "hidden": [32]}, {"name": "cnn", "channels": [4], "hidden": []}):
        ends = [
            weights({"model": model, "epochs": 2, "log_every": every}, tmp_path / str(every))
            for every in (1, 7, "auto")
        ]
        for end in ends[1:]:
            assert all(torch.equal(end[name], ends[0][name]) for name in end)


def test_a_seed_gives_the_same_weights_and_another_seed_does_not(tmp_path: Path) -> None:
    first = weights({"seed": 3}, tmp_path / "a")
    torch.rand(7)  # whatever happened before in this process
    again, other = weights({"seed": 3}, tmp_path / "b"), weights({"seed": 4}, tmp_path / "c")
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["2.weight"], other["2.weight"])


def test_it_is_the_plain_loop(tmp_path: Path) -> None:
    """Same network, same batches, torch's own autograd and optimizer: the same weights."""
    spec = {"methods": [{"name": "cross_entropy"}], "optimizer": {"name": "sgd", "lr": 0.05}}
    mine = weights({**spec, "epochs": 2}, tmp_path)
    task = Dataset.of({"name": "digits"}).load(None)
    torch.manual_seed(0)
    model = Model.of(DIGITS["model"]).build(task)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9)
    for epoch in range(2):
        generator = torch.Generator().manual_seed(epoch)
        for batch in torch.randperm(len(task.train), generator=generator).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(task.train.x[batch]), task.train.y[batch]).backward()
            optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(mine[name], tensor, rtol=1e-4, atol=1e-6), name


def test_the_last_measurement_is_of_the_saved_network_on_more_than_a_batch(tmp_path: Path) -> None:
    diagnostics = [{"name": "accuracy", "limit": 7}, {"name": "intrinsic_norms"}]
    last = measured(told({"diagnostics": diagnostics}, tmp_path))[-1]
    spec = {"dataset": DIGITS["dataset"], "model": DIGITS["model"]}
    model, task = checkpoint.load(
        tmp_path / "final.safetensors", TrainSpec.model_validate(spec), None
    )
    with torch.no_grad():
        logits = model(task.test.x)
        learned = model(task.train.x[: len(task.test)]).argmax(1)
    right = float((logits.argmax(1) == task.test.y).float().mean())
    norm = math.prod(float(p.detach().norm()) for p in model.parameters() if p.ndim == 2)
    assert last.step == 69
    assert last.values["test/accuracy"] == pytest.approx(right)
    assert last.values["train/accuracy"] == pytest.approx(
        float((learned == task.train.y[: len(task.test)]).float().mean())
    )
    assert last.values["norm/intrinsic"] == pytest.approx(norm, rel=1e-5)
    assert right > 0.9


def test_the_loss_is_the_sum_of_its_terms_and_the_input_gradient_is_right() -> None:
    first = measured(told({"log_every": 10_000}))[0]
    values = first.values
    total = values["train/loss/cross_entropy"] + values["train/loss/weissi"]  # type: ignore[operator]
    assert values["train/loss"] == pytest.approx(total, rel=1e-6)
    task = Dataset.of({"name": "digits"}).load(None)
    torch.manual_seed(0)
    model = Model.of(DIGITS["model"]).build(task)
    x, y = next(batches(task.train, 64, seed=0, epoch=0))
    x.requires_grad_()
    F.cross_entropy(model(x), y, reduction="sum").backward()
    assert x.grad is not None
    norms = x.grad.flatten(1).norm(dim=1)
    assert values["gradient/input"] == pytest.approx(float(norms.mean()), rel=1e-5)
    assert values["gradient/input_max"] == pytest.approx(float(norms.max()), rel=1e-5)


def test_every_number_of_steps_means_just_that() -> None:
    events = measured(told({"log_every": 10, "diagnostics": [{"name": "intrinsic_norms"}]}))
    steps = [event.step for event in events if "norm/intrinsic" in event.values]
    assert steps == [0, 10, 20, 30, 40, 50, 60, 69]


def test_auto_gives_at_least_two_hundred_points() -> None:
    assert len(measured(told({"epochs": 40}))) >= 200
    assert len(measured(told({"epochs": 1}))) == 24


def test_cancelling_keeps_the_network_and_says_when(tmp_path: Path) -> None:
    asked = iter([False] * 10 + [True] * 5)
    events = list(fit(DIGITS, folder=tmp_path, stop=lambda: next(asked)))
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.state, end.step) == ("cancelled", 10)
    assert isinstance(events[-2], Saved)
    assert checkpoint.metadata(tmp_path / "final.safetensors")["step"] == "10"
    assert "69" in end.message


@pytest.mark.parametrize("every", [1, 50, "auto"])
@pytest.mark.parametrize("power", [{}, {"q": 8}, {"p": 8, "q": 8}, {"p": 1, "q": 8}], ids=str)
@pytest.mark.filterwarnings("ignore:overflow")
def test_a_diverging_run_shows_it_and_names_term_and_step(
    every: int | str, power: dict[str, int]
) -> None:
    spec = {**DIGITS, "optimizer": {"name": "sgd", "lr": 100}, "log_every": every, "epochs": 20}
    spec["methods"] = [{"name": "cross_entropy"}, {"name": "lp", "strength": 5, **power}]
    events: list[AnyEvent] = []
    with pytest.raises(Diverged) as caught:
        events.extend(iter_into(fit(spec), events))
    last = events[-1]
    assert isinstance(last, Measured)
    broken = [k for k, v in last.values.items() if isinstance(v, float) and not math.isfinite(v)]
    assert caught.value.term == broken[0]
    assert caught.value.step == last.step
    assert caught.value.term.startswith("train/loss")
    before = [e for e in measured(events[:-1]) if e.step < last.step]
    assert all(math.isfinite(e.values["train/loss"]) for e in before)  # type: ignore[arg-type]


def iter_into(source: Any, events: list[AnyEvent]) -> list[AnyEvent]:
    for event in source:
        events.append(event)
    return []


def test_decision_regions_are_drawn_and_points_told_once() -> None:
    spec = {
        "dataset": {"name": "moons", "examples": 300},
        "epochs": 60,
        "diagnostics": [{"name": "decision_regions", "size": 16}, {"name": "accuracy"}],
    }
    events = measured(told(spec))
    maps = [v for e in events if (v := e.values.get("diagnostic/decision_regions/map"))]
    points = [v for e in events if (v := e.values.get("diagnostic/decision_regions/points"))]
    assert len(maps) >= 5
    assert len(points) == 1
    assert isinstance(points[0], Table)
    last = maps[-1]
    assert isinstance(last, Surface)
    Surface.model_validate(last.model_dump())
    # the first class is the upper moon: above, p(lower) is small, and y runs along the rows
    column = min(range(16), key=lambda i: abs(float(last.x[i]) - 0.375))
    row = min(range(16), key=lambda i: abs(float(last.y[i]) - 0.6875))
    assert float(last.z[row][column]) < 0.5 < float(last.z[16 - row][15 - column])


def test_diagnostics_that_do_not_apply_measure_nothing() -> None:
    events = measured(told({"diagnostics": [{"name": "decision_regions"}]}))
    assert set(events[0].values) == {
        "train/loss", "train/loss/cross_entropy", "train/loss/weissi", "learning_rate",
    }  # fmt: skip


def test_schedules() -> None:
    def rates(**optimizer: Any) -> dict[int, Any]:
        spec = {"optimizer": {"name": "sgd", "lr": 0.1, **optimizer}, "log_every": 1}
        return {e.step: e.values["learning_rate"] for e in measured(told(spec))}

    assert set(rates().values()) == {0.1}
    cosine = rates(schedule="cosine")
    assert cosine[0] == pytest.approx(0.1)
    assert cosine[69] == pytest.approx(0, abs=1e-9)
    assert cosine[23] == pytest.approx(0.1 * 0.75)
    steps = rates(schedule="steps", decay=0.5, decay_at=[0.5])
    assert (steps[34], steps[35]) == (0.1, 0.05)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"model": {"name": "nothing"}}, "bad_spec", "no model is called 'nothing'"),
        ({"model": {"name": "mlp", "hidden": [-3]}}, "bad_spec", "hidden.0"),
        ({"methods": [{"name": "weissi"}]}, "bad_spec", "cross_entropy"),
        ({"epochs": 0}, "bad_spec", "epochs"),
        ({"dataset": {"name": "moons"}, "model": {"name": "cnn"}}, "bad_spec", "points"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(LabError, match=words) as caught:
        told(change)
    assert caught.value.code == code


@pytest.mark.skipif(torch.cuda.is_available(), reason="has what is asked for")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(LabError) as caught:
        told({"device": "cuda"})
    assert caught.value.code == "no_device"


def test_batches_hold_every_example_once_also_across_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.lab.core.batches.GATHERED_BYTES", 4 * 5 * 3)
    split = Split(torch.arange(23.0)[:, None].expand(23, 5).contiguous(), torch.arange(23))
    found = list(batches(split, 3, seed=0, epoch=0))
    assert [len(y) for _, y in found] == [3] * 7 + [2]
    ys = torch.cat([y for _, y in found])
    assert sorted(ys.tolist()) == list(range(23))
    assert all(torch.equal(x[:, 0].long(), y) for x, y in found)
