"""What a run leaves outlives damage, a full disk and a wait; only so much of it is kept."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.lab.nets import digits, trained
from worker.contract.events import (
    AnyEvent,
    Failed,
    Finished,
    Measured,
    Noted,
    Saved,
    Started,
    Teller,
)
from worker.lab import evaluate, fit
from worker.lab.checkpointing import BEST, Score
from worker.lab.fit import FINAL
from worker.lab.states import Keeping, left
from worker.runner import conclude, drive
from worker.sinks import Memory

SPEC: dict[str, Any] = {
    "dataset": {"name": "moons", "examples": 400},
    "model": {"name": "mlp", "hidden": [32]},
    "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    "diagnostics": [{"name": "accuracy"}],
    "epochs": 8,
    "batch_size": 8,
    "log_every": 1,
}
LONG = {**SPEC, "epochs": 10_000}
ALWAYS = Keeping(every_s=0.0)


def train(folder: Path, steps: int = 10**6, **more: Any) -> list[AnyEvent]:
    begun = iter(range(steps))
    more = {"keeping": ALWAYS, "resume": left([folder]), **more}
    return list(fit(SPEC, folder=folder, stop=lambda: next(begun, None) is None, **more))


def cut(file: Path) -> None:
    """Lose the end of a file, as a full disk or a crash of the machine may."""
    file.write_bytes(file.read_bytes()[:-40])


def spoil_header(file: Path) -> None:
    file.write_bytes(b"\xff" * 8 + file.read_bytes()[8:])


def flip(file: Path) -> None:
    """One bit of a weight: safetensors itself would not notice."""
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(data)


def change_word(file: Path) -> None:
    """The count of steps in the header."""
    data = file.read_bytes()
    at = data.index(b'"step":"') + 8
    file.write_bytes(data[:at] + (b"9" if data[at : at + 1] != b"9" else b"8") + data[at + 1 :])


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGE = [cut, spoil_header, flip, change_word, empty, Path.unlink]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


def same(a: Path, b: Path) -> bool:
    one, two = load_file(a / FINAL), load_file(b / FINAL)
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda found: found.__name__)
def test_a_damaged_state_falls_back_to_the_one_before(
    damage: Callable[[Path], None], tmp_path: Path, whole: Path
) -> None:
    train(tmp_path, 60)
    train(tmp_path, 60)
    newest, before = given = left([tmp_path])
    damage(newest)
    events = train(tmp_path, resume=given)
    start, note = events[:2]
    assert isinstance(start, Started)
    assert start.info["resumed_at"] == int(before.stem.removeprefix("resume-")) > 0
    assert isinstance(note, Noted)
    assert note.code == "damaged_checkpoint"
    assert newest.name in note.message
    assert f"went on from step {start.info['resumed_at']}" in note.message
    assert same(tmp_path, whole)
    assert left([tmp_path]) == []


def test_with_all_states_damaged_a_run_begins_again(tmp_path: Path, whole: Path) -> None:
    train(tmp_path, 60)
    train(tmp_path, 60)
    for file in left([tmp_path]):
        flip(file)
    events = train(tmp_path)
    assert isinstance(events[0], Started)
    assert events[0].info["resumed_at"] == 0
    notes = [event for event in events if isinstance(event, Noted)]
    assert len(notes) == 2
    assert all("began again" in note.message for note in notes)
    assert same(tmp_path, whole)


def test_a_damaged_state_of_an_attack_falls_back_too(tmp_path: Path) -> None:
    spec = {"attacks": [{"name": "fgsm"}, {"name": "pgd", "steps": 3}], "limit": 300}

    def attack(looks: int = 10**9) -> list[AnyEvent]:
        asked = iter(range(looks))
        stop = lambda: next(asked, None) is None  # noqa: E731
        given = left([tmp_path])
        return list(evaluate(spec, trained(), digits(), Teller(), tmp_path, stop, given))

    undisturbed = list(evaluate(spec, trained(), digits()))
    attack(10)
    attack(10)
    newest, before = left([tmp_path])
    flip(newest)
    events = attack()
    start, note = events[:2]
    assert isinstance(start, Started)
    assert 0 < start.info["resumed_at"] == int(before.stem.removeprefix("resume-"))
    assert isinstance(note, Noted)
    assert newest.name in note.message
    assert curves(events) == curves(undisturbed)


def curves(events: list[AnyEvent]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in events:
        if isinstance(event, Measured):
            found |= {name: value for name, value in event.values.items() if "card" not in name}
    return found


@pytest.mark.parametrize("last", [1, 2, 3])
def test_so_many_states_stay_as_are_asked_for(last: int, tmp_path: Path) -> None:
    seen: set[Path] = set()
    for event in fit(LONG, folder=tmp_path, keeping=Keeping(every_s=0.0, last=last)):
        seen |= set(left([tmp_path]))
        if isinstance(event, Measured) and len(seen) > last:
            break
    assert left([tmp_path]) == sorted(seen)[: -last - 1 : -1]
    assert not list(tmp_path.glob(".*"))


def test_the_best_network_is_kept_beside_the_last(tmp_path: Path) -> None:
    accuracies: dict[int, float] = {}
    best: Saved | None = None
    newest = 0.0
    for event in fit(SPEC, folder=tmp_path, keeping=ALWAYS):
        if isinstance(event, Measured):
            newest = float(event.values.get("test/accuracy", newest))
        if isinstance(event, Saved) and event.name == BEST:
            assert not accuracies or newest > max(accuracies.values())
            accuracies[event.step], best = newest, event
    assert best is not None
    network = load_file(tmp_path / BEST)
    assert network.keys() == load_file(tmp_path / FINAL).keys()
    assert (tmp_path / BEST).stat().st_size == best.bytes


def test_what_was_held_out_goes_before_test_data_these_before_loss_and_higher_before_lower() -> (
    None
):
    by_loss, better = Score.of({"train/loss": 0.5}), Score.of({"train/loss": 0.1})
    poor, good = Score.of({"test/accuracy": 0.1}), Score.of({"test/accuracy": 0.9})
    assert by_loss is not None
    assert better is not None
    held = Score.of({"test/accuracy": 0.9, "validation/accuracy": 0.05})
    assert poor is not None
    assert good is not None
    assert held is not None
    assert by_loss < better < poor < good < held
    assert held.words == "validation/accuracy 0.05"
    assert (better.words, good.words) == ("train/loss 0.1", "test/accuracy 0.9")
    assert Score.of({"norm/intrinsic": 1.0}) is None


@contextmanager
def no_file_over(bytes: int) -> Iterator[None]:
    """The kernel refuses to write a file any longer than that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_refuses_a_state_is_told_once_and_training_goes_on(
    tmp_path: Path, whole: Path
) -> None:
    running = fit(SPEC, folder=tmp_path, keeping=ALWAYS)
    with no_file_over(1000):
        refused = list(islice(running, 300))
    assert isinstance(refused[-1], Measured)
    (note,) = [event for event in refused if isinstance(event, Noted)]
    assert note.code == "no_checkpoint"
    assert "File too large" in note.message
    assert not list(tmp_path.iterdir()), "nothing half-written stays"
    assert isinstance([*refused, *running][-1], Finished)
    assert same(tmp_path, whole)


def test_a_disk_that_refuses_the_network_fails_the_job_which_can_be_resumed(
    tmp_path: Path, whole: Path
) -> None:
    sink, folder = Memory(), tmp_path / "1"

    def told() -> Iterator[AnyEvent]:
        for event in fit(SPEC, folder=folder, keeping=ALWAYS):
            yield event
            if left([folder]):
                resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))

    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        ending = drive(told, sink, Teller())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert isinstance(ending, Failed)
    assert ending.code == "disk_full"
    (state,) = left([folder])
    start = train(folder)[0]
    assert isinstance(start, Started)
    assert start.info["resumed_at"] == int(state.stem.removeprefix("resume-"))
    assert same(folder, whole)


def test_no_state_is_left_before_the_events_that_it_covers_are_safe(tmp_path: Path) -> None:
    safe = [0]
    keeping = Keeping(every_s=0.0, settled=lambda seq: seq <= safe[0])
    first = last = None
    for event in fit(LONG, folder=tmp_path, keeping=keeping):
        if isinstance(event, Measured) and last is None and event.step > 1000:
            assert left([tmp_path]) == []
            safe[0] = event.last_seq
            last = event.step
        first = next(iter(left([tmp_path])), None)
        if first is not None:
            break
    assert first is not None
    assert last is not None
    assert int(first.stem.removeprefix("resume-")) <= last


def test_what_is_left_goes_when_everybody_knows_that_the_job_succeeded(tmp_path: Path) -> None:
    folder = tmp_path / "2"
    train(tmp_path / "1", 60)
    for event in fit(SPEC, folder=folder, resume=left([tmp_path / "1"]), keeping=ALWAYS):
        if isinstance(event, Finished):
            ending = event
            break
    (folder / ".resume-half").write_bytes(b"")
    assert left([folder])
    conclude(folder, ending)
    assert left([folder, tmp_path / "1"]) == []
    assert {file.name for file in folder.iterdir()} == {FINAL, BEST}
