from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from torch import Tensor, nn

from tests.lab.nets import digits, trained
from worker.contract.events import AnyEvent, Finished, Measured, Saved, Started, Teller
from worker.contract.measurement import Curve, Images
from worker.lab import evaluate
from worker.lab.attacks.pgd import Pgd
from worker.lab.core.errors import LabError
from worker.lab.core.interval import wilson
from worker.lab.core.task import Split

GRID = [0.1, 0.0, 0.02, 0.05]
SPEC: dict[str, Any] = {
    "attacks": [{"name": "fgsm"}, {"name": "pgd", "steps": 10, "restarts": 1}],
    "eps_grid": GRID,
    "limit": 300,
}


def last(events: list[AnyEvent]) -> dict[str, Any]:
    """The newest value of every measurement."""
    values: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Measured):
            values |= event.values
    return values


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifacts")


@pytest.fixture(scope="module")
def events(folder: Path) -> list[AnyEvent]:
    return list(evaluate(SPEC, trained(), digits(), Teller("j", 2), folder))


@pytest.fixture
def rows(events: list[AnyEvent], folder: Path) -> Iterator[list[dict[str, str]]]:
    with (folder / "attack.csv").open() as file:
        yield list(csv.DictReader(file))


def test_it_tells_a_start_measurements_a_file_and_an_end_in_order(events):
    assert isinstance(events[0], Started)
    assert isinstance(events[-2], Saved)
    assert isinstance(events[-1], Finished)
    assert events[-1].state == "succeeded"
    assert all(isinstance(event, Measured) for event in events[1:-2])
    numbers = [event.seq for event in events]
    assert numbers == sorted(numbers)
    assert {(event.job, event.attempt) for event in events} == {("j", 2)}
    assert events[0].steps == events[-1].step == 2 * 300 * 4


def test_it_tells_every_name_that_it_should(events):
    each = [f"attack/{a}/{n}" for a in ("fgsm", "pgd") for n in PARTS]
    worst = {
        "attack/clean/accuracy",
        "attack/worst/accuracy",
        "attack/worst/accuracy_at_largest_eps",
    }
    assert set(last(events)) == {*each, *worst}


PARTS = ("progress", "accuracy", "accuracy_at_largest_eps", "loss", "gallery", "card")


def test_a_table_is_told_the_end_of_each_curve_as_one_number(events):
    found = last(events)
    for name in ("fgsm", "pgd", "worst"):
        curve = found[f"attack/{name}/accuracy"]
        at_largest = found[f"attack/{name}/accuracy_at_largest_eps"]
        assert at_largest == pytest.approx(curve.y[curve.x.index(max(curve.x))])


def test_progress_never_falls_and_ends_at_one(events):
    for name in ("fgsm", "pgd"):
        found = [
            event.values[f"attack/{name}/progress"]
            for event in events
            if isinstance(event, Measured) and f"attack/{name}/progress" in event.values
        ]
        assert found == sorted(found)
        assert (found[0], found[-1]) == (0.0, 1.0)


def test_the_curve_is_what_its_attack_finds_alone(events):
    curve: Curve = last(events)["attack/pgd/accuracy"]
    assert curve.x == sorted(GRID)
    data = digits().test.head(300)
    right = int((trained()(data.x).argmax(1) == data.y).sum())
    assert curve.y[0] == right / 300
    for eps, accuracy in zip(curve.x, curve.y, strict=True):
        alone = Pgd(steps=10, restarts=1).run(trained(), data.x, data.y, eps=float(eps))
        assert accuracy == pytest.approx(1 - float(alone.fooled.float().mean()), abs=0.02)


def test_intervals_are_scipys(events):
    curve: Curve = last(events)["attack/fgsm/accuracy"]
    for y, low, high in zip(curve.y, curve.low or [], curve.high or [], strict=True):
        peer = binomtest(round(float(y) * 300), 300).proportion_ci(method="wilson")
        assert (low, high) == (pytest.approx(peer.low), pytest.approx(peer.high))


@settings(deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(counts):
    hits, n = counts
    peer = binomtest(hits, n).proportion_ci(method="wilson")
    low, high = wilson(hits, n)
    assert (low, high) == (pytest.approx(peer.low, abs=1e-12), pytest.approx(peer.high, abs=1e-12))
    assert 0 <= low <= hits / n <= high <= 1


def test_with_no_examples_the_interval_is_everything():
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_worst_case_is_taken_point_by_point(events, rows):
    curve = last(events)["attack/worst/accuracy"]
    for eps, worst in zip(curve.x, curve.y, strict=True):
        fooled = {
            row["example"] for row in rows if float(row["eps"]) == eps and row["fooled"] == "1"
        }
        assert worst == pytest.approx(1 - len(fooled) / 300)
        for name in ("fgsm", "pgd"):
            one = last(events)[f"attack/{name}/accuracy"]
            assert worst <= one.y[one.x.index(eps)]


def test_the_table_adds_up_to_the_curves(events, rows):
    assert len(rows) == 2 * 4 * 300
    for name in ("fgsm", "pgd"):
        curve = last(events)[f"attack/{name}/accuracy"]
        for eps, accuracy in zip(curve.x, curve.y, strict=True):
            chosen = [r for r in rows if r["attack"] == name and float(r["eps"]) == eps]
            right = [r for r in chosen if r["prediction"] == r["label"]]
            assert len(right) / len(chosen) == pytest.approx(accuracy)
            assert all(float(r["size"]) <= eps * 1.0001 + 1e-6 for r in chosen)


def test_the_files_hash_and_size_are_told(events, folder):
    data = (folder / "attack.csv").read_bytes()
    saved = [event for event in events if isinstance(event, Saved)]
    assert [(e.name, e.kind, e.bytes) for e in saved] == [("attack.csv", "table", len(data))]
    assert saved[0].sha256 == hashlib.sha256(data).hexdigest()
    assert [path.name for path in folder.iterdir()] == ["attack.csv"]


def test_the_whole_curve_shows_early_and_then_narrows(monkeypatch):
    monkeypatch.setattr(sys.modules[evaluate.__module__], "PAUSE_S", 0.0)
    found = [
        event.values["attack/pgd/accuracy"]
        for event in evaluate(SPEC, trained(), digits())
        if isinstance(event, Measured) and "attack/pgd/accuracy" in event.values
    ]
    widths = [curve.high[-1] - curve.low[-1] for curve in found if len(curve.x) == len(GRID)]
    assert len(set(widths)) >= 3
    assert widths == sorted(widths, reverse=True)
    assert len(found[0].x) == 1


def test_a_seed_gives_the_same_again_and_another_does_not(events):
    again = last(list(evaluate(SPEC, trained(), digits())))
    assert again == last(events)
    other = last(list(evaluate({**SPEC, "seed": 1}, trained(), digits())))
    assert other["attack/pgd/loss"] != again["attack/pgd/loss"]


def test_a_budgets_result_does_not_depend_on_the_others(events):
    alone = last(list(evaluate({**SPEC, "eps_grid": [0.05]}, trained(), digits())))
    whole = last(events)["attack/pgd/accuracy"]
    assert alone["attack/pgd/accuracy"].y == [whole.y[whole.x.index(0.05)]]


def test_the_loss_curve_has_a_point_a_step(events):
    curve = last(events)["attack/pgd/loss"]
    assert curve.x == list(range(11))
    assert curve.y[-1] > curve.y[0]


def test_the_gallery_shows_twelve_that_were_fooled(events):
    images: Images = last(events)["attack/pgd/gallery"]
    assert {len(group) for group in images.groups.values()} == {12}
    assert (images.height, images.width, images.channels) == (8, 8, 1)
    assert images.scale["perturbation"] == pytest.approx(0.05, rel=1e-3)
    for clean, change, adversarial in zip(
        *(images.groups[name] for name in ("clean", "perturbation", "adversarial")), strict=True
    ):
        for before, moved, after in zip(clean, change, adversarial, strict=True):
            size = images.scale["perturbation"] * (moved / 127.5 - 1)
            assert after / 255 - before / 255 == pytest.approx(size, abs=2.1 / 255)
    assert all(", is " in caption for caption in images.captions["adversarial"])
    assert not any(", is " in caption for caption in images.captions["clean"])


def test_points_have_no_gallery():
    x = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    split = (x, (x[:, 0] > 0.5).long())
    task = replace(
        digits(), train=replace(digits().train, x=split[0], y=split[1]), layout="points",
        test=replace(digits().test, x=split[0], y=split[1]), mean=(0.5, 0.5), std=(0.3, 0.3),
    )  # fmt: skip
    names = last(list(evaluate(SPEC, nn.Linear(2, 2), task)))
    assert "attack/fgsm/card" in names
    assert "attack/fgsm/gallery" not in names


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def forward(self, x: Tensor) -> Tensor:
        self.looks += 1
        out: Tensor = trained()(x)
        return out


def test_stop_is_honoured_within_one_look(tmp_path):
    net = Counting()
    stopped_at: list[int] = []

    def stop() -> bool:
        if net.looks >= 40 and not stopped_at:
            stopped_at.append(net.looks)
        return bool(stopped_at)

    found = list(evaluate(SPEC, net, digits(), folder=tmp_path, stop=stop))
    assert net.looks == stopped_at[0]
    assert isinstance(found[-1], Finished)
    assert found[-1].state == "cancelled"
    assert (tmp_path / "attack.csv").read_text().startswith("attack,eps,example")


def test_stop_is_honoured_while_the_card_is_made():
    net, asked = Counting(), []

    def stop() -> bool:
        asked.append(net.looks)
        return len(asked) > total - 5

    total = 10**9
    list(evaluate(SPEC, net, digits(), stop=stop))
    total = len(asked)
    asked.clear()
    found = list(evaluate(SPEC, net, digits(), stop=stop))
    assert isinstance(found[-1], Finished)
    assert found[-1].state == "cancelled"
    assert "attack/pgd/card" not in last(found)


def test_an_abandoned_job_leaves_the_model_as_it_was():
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).train()
    running = evaluate(SPEC, net, digits())
    next(running)
    next(running)
    assert not net.training
    running.close()  # type: ignore[attr-defined]
    assert net.training


@pytest.mark.parametrize(
    "attack", [{"name": "nothing"}, {"name": "pgd", "steps": -1}, {"name": "fgsm", "steps": 3}]
)
def test_a_bad_attack_is_refused_before_anything_runs(attack):
    with pytest.raises(LabError) as error:
        next(iter(evaluate({"attacks": [attack]}, trained(), digits())))
    assert error.value.code == "bad_spec"


def test_validation_data_can_be_attacked():
    held = Split(digits().test.x[:80], digits().test.y[:80])
    task = replace(digits(), validation=held)
    found = last(list(evaluate({**SPEC, "split": "validation"}, trained(), task)))
    right = int((trained()(held.x).argmax(1) == held.y).sum())
    assert found["attack/fgsm/accuracy"].y[0] == right / 80
