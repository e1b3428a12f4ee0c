"""A job that lost its worker goes on where it was and finds what one worker would have found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.lab.nets import digits, trained
from worker.contract.events import AnyEvent, Finished, Measured, Started, Teller
from worker.lab import evaluate
from worker.lab.core.errors import LabError
from worker.lab.states import left

SPECS: dict[str, dict[str, Any]] = {
    "inputs": {
        "attacks": [
            {"name": "fgsm"},
            {"name": "pgd", "steps": 5},
            {"name": "square", "queries": 20},
        ],
        "eps_grid": [0.0, 0.05, 0.1],
        "limit": 300,
    },
    "weights": {
        "attacks": [
            {"name": "weight_pgd", "steps": 5},
            {"name": "weight_random", "draws": 3},
        ],
        "eps_grid": [0.0, 0.005, 0.01],
        "limit": 300,
    },
    "both": {"attacks": [{"name": "joint", "steps": 4}], "eps_grid": [0, 0.05, 0.1], "limit": 300},
}


class Counting(nn.Module):
    """Counts the examples that pass; the weights are the network's own, to be moved as those."""

    def __init__(self) -> None:
        super().__init__()
        self.net = trained()
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        out: Tensor = self.net(x)
        return out


def told(folder: Path, spec: dict[str, Any], until: int, **more: Any) -> tuple[list[AnyEvent], int]:
    """The events of a job that is asked to stop after some looks, and the examples that passed."""
    net, asked = Counting(), [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > until

    events = list(evaluate(spec, net.eval(), digits(), Teller(), folder, stop, **more))
    return events, net.seen


def values(events: list[AnyEvent]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Measured):
            found |= event.values
    return found


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_resumed_job_finds_what_an_uninterrupted_one_does(
    kind: str, share: float, tmp_path: Path
) -> None:
    spec, never = SPECS[kind], 10**9
    whole, cost = told(tmp_path / "whole", spec, never)
    looks = [0]

    def count() -> bool:
        looks[0] += 1
        return False

    list(evaluate(spec, trained(), digits(), stop=count))
    first, before = told(tmp_path / "1", spec, int(share * looks[0]))
    assert isinstance(first[-1], Finished)
    assert first[-1].state == "cancelled"
    again, after = told(tmp_path / "2", spec, never, resume=left([tmp_path / "1"]))
    assert values(again) == values(whole)
    assert (tmp_path / "2/attack.csv").read_bytes() == (tmp_path / "whole/attack.csv").read_bytes()
    # At most one batch at one budget is done twice, beside the clean pass; cards are made once.
    assert before + after - cost <= cost / 3 + 300
    assert left([tmp_path / "1", tmp_path / "2"]) == []


def test_nothing_is_told_twice(tmp_path: Path) -> None:
    spec = SPECS["inputs"]
    first, _ = told(tmp_path, spec, 60)
    again, _ = told(tmp_path / "2", spec, 10**9, resume=left([tmp_path]))
    assert isinstance(again[0], Started)
    assert 0 < again[0].info["resumed_at"] <= first[-1].step
    steps = [event.step for event in again if isinstance(event, Measured)]
    assert steps == sorted(steps)
    for name in ("fgsm", "pgd", "square"):
        key = f"attack/{name}/progress"
        progress = [e.values[key] for e in again if isinstance(e, Measured) and key in e.values]
        assert progress == sorted(progress)
        assert progress[-1] == 1.0
    # What was over before is told once more, as its last telling may have been lost.
    over = [e for e in again if isinstance(e, Measured) and "attack/fgsm/accuracy" in e.values]
    assert len(over) == 1


def test_a_killed_worker_leaves_what_it_knew(tmp_path: Path, monkeypatch: Any) -> None:
    import sys

    monkeypatch.setattr(sys.modules[evaluate.__module__], "KEPT_EVERY_S", 0.0)
    running = evaluate(SPECS["inputs"], trained(), digits(), folder=tmp_path)
    for event in running:
        if isinstance(event, Measured) and event.values.get("attack/pgd/progress", 0) > 0.5:
            break
    assert left([tmp_path])
    del running  # and with it all that was in memory
    again = list(evaluate(SPECS["inputs"], trained(), digits(), resume=left([tmp_path])))
    assert isinstance(again[0], Started)
    assert again[0].info["resumed_at"] >= 300 * 3 * 1.3
    assert values(again) == values(list(evaluate(SPECS["inputs"], trained(), digits())))


def test_what_another_spec_left_is_refused(tmp_path: Path) -> None:
    told(tmp_path, SPECS["inputs"], 30)
    with pytest.raises(LabError) as error:
        told(tmp_path, {**SPECS["inputs"], "seed": 1}, 10, resume=left([tmp_path]))
    assert error.value.code == "bad_checkpoint"


def test_pictures_outlive_an_interruption(tmp_path: Path) -> None:
    spec = {**SPECS["inputs"], "attacks": [{"name": "pgd", "steps": 5}]}
    told(tmp_path, spec, 25)
    again, _ = told(tmp_path / "2", spec, 10**9, resume=left([tmp_path]))
    gallery = values(again)["attack/pgd/gallery"]
    assert gallery == values(told(tmp_path / "3", spec, 10**9)[0])["attack/pgd/gallery"]
    assert torch.tensor(gallery.groups["clean"]).shape == (12, 64)
