"""Whatever happens to a job becomes an event; jobs run from files as well."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from worker.__main__ import main
from worker.contract.events import (
    DEVICE_FAILED,
    AnyEvent,
    Failed,
    Finished,
    Measured,
    Saved,
    Started,
    Teller,
)
from worker.contract.settings import Settings
from worker.contract.wire import Source, Ticket, artifact_path
from worker.lab.core.errors import LabError
from worker.runner import ROOT, drive, run
from worker.sinks import Memory

SPEC: dict[str, Any] = {
    "dataset": {"name": "moons", "examples": 200},
    "model": {"name": "mlp", "hidden": [8]},
    "epochs": 2,
}


def done(ticket: Ticket, data_dir: Path) -> tuple[Finished | Failed, list[AnyEvent]]:
    sink = Memory()
    settings = Settings(data_dir=data_dir)
    tell = Teller(ticket.job, ticket.attempt)
    return run(ticket, sink, lambda: False, settings, tell), sink.events


def test_a_training_job_and_an_attack_on_it(tmp_path: Path) -> None:
    ticket = Ticket(job="a", kind="train", attempt=2, spec=SPEC)
    ending, events = done(ticket, tmp_path)
    assert isinstance(ending, Finished)
    assert ending is events[-1]
    (saved,) = (event for event in events if isinstance(event, Saved))
    assert artifact_path(tmp_path, "a", 2, saved.name).stat().st_size == saved.bytes

    source = Source(job="a", attempt=2, spec=SPEC, checkpoint=saved.name)
    spec = {"source": "a", "attacks": [{"name": "fgsm"}], "eps_grid": [0, 0.1], "limit": 50}
    ending, events = done(
        Ticket(job="b", kind="attack", attempt=1, spec=spec, source=source), tmp_path
    )
    assert isinstance(ending, Finished)
    assert any("attack/fgsm/accuracy" in e.values for e in events if isinstance(e, Measured))


def test_a_later_attempt_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    sink, begun = Memory(), iter(range(3))
    first = Ticket(job="a", kind="train", attempt=1, spec=SPEC)
    settings = Settings(data_dir=tmp_path)
    run(first, sink, lambda: next(begun, None) is None, settings, Teller("a", 1))
    ending, events = done(Ticket(job="a", kind="train", attempt=3, spec=SPEC), tmp_path)
    assert isinstance(ending, Finished)
    assert isinstance(events[0], Started)
    assert events[0].info["resumed_at"] == 3
    assert min(event.step for event in events if isinstance(event, Measured)) >= 3


def test_a_transferred_attack_is_made_on_the_other_jobs_network(tmp_path: Path) -> None:
    sources = []
    for job, seed in (("a", 0), ("b", 1)):
        spec = {**SPEC, "seed": seed}
        done(Ticket(job=job, kind="train", attempt=1, spec=spec), tmp_path)
        sources.append(Source(job=job, attempt=1, spec=spec, checkpoint="final.safetensors"))
    spec = {"source": "a", "attacks": [{"name": "transfer"}], "transfer_from": "b", "limit": 50}
    source = sources[0].model_copy(update={"peers": sources[1:]})
    ticket = Ticket(job="c", kind="attack", attempt=1, spec=spec, source=source)
    ending, events = done(ticket, tmp_path)
    assert isinstance(ending, Finished)
    assert any("attack/transfer/loss" in e.values for e in events if isinstance(e, Measured))

    digits = {**SPEC, "dataset": {"name": "digits"}, "epochs": 1}
    done(Ticket(job="d", kind="train", attempt=1, spec=digits), tmp_path)
    strange = Source(job="d", attempt=1, spec=digits, checkpoint="final.safetensors")
    source = sources[0].model_copy(update={"peers": [strange]})
    ending, _ = done(Ticket(job="e", kind="attack", attempt=1, spec=spec, source=source), tmp_path)
    assert isinstance(ending, Failed)
    assert (ending.code, "transfer_from" in ending.message) == ("bad_spec", True)


def test_a_second_attempt_of_an_attack_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    done(Ticket(job="a", kind="train", attempt=1, spec=SPEC), tmp_path)
    source = Source(job="a", attempt=1, spec=SPEC, checkpoint="final.safetensors")
    spec = {"source": "a", "attacks": [{"name": "pgd"}, {"name": "fgsm"}], "split": "train"}
    first, second = (
        Ticket(job="b", kind="attack", attempt=attempt, spec=spec, source=source)
        for attempt in (1, 2)
    )
    asked = [0]

    def stop() -> bool:
        asked[0] += 1
        return asked[0] > 100

    settings = Settings(data_dir=tmp_path)
    halted = run(first, Memory(), stop, settings, Teller("b", 1))
    assert isinstance(halted, Finished)
    assert (halted.state, halted.step > 0) == ("cancelled", True)
    ending, events = done(second, tmp_path)
    assert isinstance(ending, Finished)
    assert ending.state == "succeeded"
    assert isinstance(events[0], Started)
    assert 0 < events[0].info["resumed_at"] <= halted.step
    assert min(e.step for e in events if isinstance(e, Measured)) >= events[0].info["resumed_at"]


def test_an_error_of_the_lab_keeps_code_and_step(tmp_path: Path) -> None:
    diverging = {**SPEC, "optimizer": {"name": "sgd", "lr": 100}, "epochs": 50}
    diverging["methods"] = [{"name": "cross_entropy"}, {"name": "lp", "strength": 100}]
    ending, events = done(Ticket(job="a", kind="train", attempt=1, spec=diverging), tmp_path)
    assert isinstance(ending, Failed)
    assert ending.code == "diverged"
    assert isinstance(events[-2], Measured)
    assert events[-2].step == ending.step
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("kind", "spec", "code"),
    [
        ("train", {**SPEC, "model": {"name": "cnn"}}, "bad_spec"),
        ("train", {**SPEC, "methods": [{"name": "nothing"}]}, "bad_spec"),
        ("attack", {"source": "x", "attacks": [{"name": "fgsm"}]}, "no_source"),
    ],
)
def test_what_cannot_be_done_fails_with_a_reason(
    tmp_path: Path, kind: Any, spec: dict[str, Any], code: str
) -> None:
    ending, _ = done(Ticket(job="a", kind=kind, attempt=1, spec=spec), tmp_path)
    assert isinstance(ending, Failed)
    assert ending.code == code


def test_a_lost_checkpoint_fails_the_attack(tmp_path: Path) -> None:
    source = Source(job="gone", attempt=1, spec=SPEC, checkpoint="final.safetensors")
    spec = {"source": "gone", "attacks": [{"name": "fgsm"}]}
    ticket = Ticket(job="b", kind="attack", attempt=1, spec=spec, source=source)
    ending, _ = done(ticket, tmp_path)
    assert isinstance(ending, Failed)
    assert ending.code == "bad_checkpoint"
    assert str(tmp_path) not in ending.message


def failing(error: Exception) -> Failed:
    def told() -> Iterator[AnyEvent]:
        raise error
        yield

    sink = Memory()
    ending = drive(told, sink, Teller())
    assert sink.events == [ending]
    assert isinstance(ending, Failed)
    return ending


def test_a_bug_is_told_with_its_frames_but_no_folder_of_this_machine() -> None:
    ending = failing(KeyError(f"{ROOT}/worker and {Path.home()}/.secret/key, https://a.b/c/d"))
    assert ending.code == "internal"
    assert "tests/lab/test_runner.py" in ending.details
    assert "https://a.b/c/d" in ending.message
    for text in (ending.details, ending.message):
        assert str(ROOT) not in text
        assert str(Path.home()) not in text


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")],
)
def test_memory_that_ran_out_is_said_to_have(error: Exception) -> None:
    assert failing(error).code == "out_of_memory"


def test_a_device_that_fails_is_not_the_jobs_fault() -> None:
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    assert failing(error).code == DEVICE_FAILED


def test_real_memory_that_runs_out() -> None:
    def told() -> Iterator[AnyEvent]:
        torch.empty(2**50, dtype=torch.float64)
        yield from ()

    ending = drive(told, Memory(), Teller())
    assert isinstance(ending, Failed)
    assert ending.code == "out_of_memory"


def test_a_job_that_stops_without_an_end_has_failed() -> None:
    ending = drive(lambda: iter(()), Memory(), Teller())
    assert isinstance(ending, Failed)
    assert ending.code == "internal"


def test_a_lab_error_is_passed_on() -> None:
    ending = failing(LabError("some_code", "a sentence", 3))
    assert (ending.code, ending.message, ending.step) == ("some_code", "a sentence", 3)


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_files_run_without_a_queue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "train it.json", {"kind": "train", "spec": SPEC})
    attack = {"source": "train it.json", "attacks": [{"name": "fgsm"}], "limit": 20}
    path = write(tmp_path / "attack.json", {"kind": "attack", "spec": attack})
    out = tmp_path / "events.jsonl"
    words = ["run", str(path), "--out", str(out), "--data-dir", str(tmp_path)]
    assert main(words) == 0
    told = [json.loads(line) for line in out.read_text().splitlines()]
    assert [event["type"] for event in told if event["type"] == "finished"] == ["finished"] * 2
    assert any("attack/fgsm/accuracy" in event.get("values", {}) for event in told)
    assert "test/accuracy" in capsys.readouterr().out

    beside = {"attacks": [{"name": "transfer"}], "transfer_from": "artifacts/train-it/1"}
    path = write(tmp_path / "transfer.json", {"kind": "attack", "spec": {**attack, **beside}})
    assert main(["run", str(path), "--data-dir", str(tmp_path)]) == 0
    beside["transfer_from"] = "nowhere"
    path = write(tmp_path / "nowhere.json", {"kind": "attack", "spec": {**attack, **beside}})
    assert main(["run", str(path), "--data-dir", str(tmp_path)]) == 2

    again = {**attack, "source": "artifacts/train-it/1"}
    path = write(tmp_path / "again.json", {"kind": "attack", "spec": again})
    assert main(["run", str(path), "--data-dir", str(tmp_path)]) == 0


def test_a_file_may_hold_a_train_spec_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "t.json", SPEC)
    assert main(["run", str(path), "--data-dir", str(tmp_path)]) == 0
    bad = write(tmp_path / "f.json", {**SPEC, "model": {"name": "cnn"}})
    assert main(["run", str(bad), "--data-dir", str(tmp_path)]) == 1


@pytest.mark.parametrize(
    "text",
    ["not json", "[1]", '{"kind": "bake", "spec": {}}', '{"dataset": {"name": "digits"}}',
     '{"kind": "attack", "spec": {"source": "gone", "attacks": [{"name": "fgsm"}]}}'],
)  # fmt: skip
def test_a_file_without_a_job_is_one_clear_word(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    assert main(["run", str(path), "--data-dir", str(tmp_path)]) == 2
    assert "bad.json" in capsys.readouterr().err
    assert main(["run", str(tmp_path / "gone.json")]) == 2
