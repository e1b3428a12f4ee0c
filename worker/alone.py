"""Jobs out of files: the lab on the command line."""

from __future__ import annotations

import json
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

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
from worker.contract.settings import Settings
from worker.contract.spec import AttackSpec, DiagnoseSpec, TrainSpec
from worker.contract.wire import artifact_path
from worker.lab import checkpoint, diagnose, evaluate, fit
from worker.lab.fit import FINAL
from worker.runner import conclude, drive
from worker.sinks import JsonLines

SHOWN = (
    *("train/loss", "test/accuracy", "norm/intrinsic"),
    *("gradient/input", "gradient/tightness", "diagnostic/"),
)
EVERY_S = 1.0
SPECS: dict[str, type[BaseModel]] = {
    "train": TrainSpec,
    "attack": AttackSpec,
    "diagnose": DiagnoseSpec,
}


class NoJob(Exception):
    """The file does not say what to do."""


def run_file(path: Path, out: Path | None, data_dir: Path | None) -> int:
    """Run the job of a file, and print how it goes; the exit code."""
    settings = Settings.from_env()
    if data_dir:
        settings = settings.model_copy(update={"data_dir": data_dir})
    with ExitStack() as stack:
        try:
            kind, spec = _job(path)
            lines = JsonLines(stack.enter_context(out.open("wb"))) if out else None
            alone = Alone(settings, Progress(lines))
            stack.enter_context(alone.interruptible())
            ending = alone.train(path, spec) if kind == "train" else alone.look(kind, path, spec)
            return int(isinstance(ending, Failed))
        except (NoJob, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 2


@dataclass
class Progress:
    """Prints what a person waits for, and writes what a program reads."""

    lines: JsonLines | None
    steps: int = 0
    _shown: float = 0.0
    _latest: dict[str, float] = field(default_factory=dict)

    def put(self, event: AnyEvent) -> None:
        if self.lines:
            self.lines.put(event)
        match event:
            case Started():
                self.steps = event.steps
                print(f"{event.steps} steps on {event.device}", flush=True)
            case Measured():
                self._measured(event)
            case Saved():
                print(f"saved {event.name}, {event.bytes} bytes", flush=True)
            case Noted():
                print(event.message, flush=True)
            case Finished():
                self._show(event.step)
                print(event.message or event.state, flush=True)
            case Failed():
                print(f"failed ({event.code}): {event.message}\n{event.details}".strip())

    def settled(self, seq: int) -> bool:
        return self.lines is None or self.lines.settled(seq)

    def close(self) -> None:
        if self.lines:
            self.lines.close()

    def _measured(self, event: Measured) -> None:
        self._latest |= {k: v for k, v in event.values.items() if isinstance(v, float)}
        if time.monotonic() - self._shown >= EVERY_S:
            self._show(event.step)

    def _show(self, step: int) -> None:
        self._shown = time.monotonic()
        names = [name for name in self._latest if name.startswith(SHOWN) or "/progress" in name]
        told = "  ".join(f"{name} {self._latest[name]:.4g}" for name in names)
        print(f"step {step}/{self.steps}  {told}", flush=True)


@dataclass
class Alone:
    """Runs one job after another in this process."""

    settings: Settings
    sink: Progress
    stopped: bool = False

    def train(self, path: Path, spec: dict[str, Any]) -> Finished | Failed:
        folder, tell = self._folder(path), Teller(_name(path))
        datasets = self.settings.datasets_dir
        ending = drive(lambda: fit(spec, tell, folder, datasets, self._stop), self.sink, tell)
        conclude(folder, ending)
        print(folder)
        return ending

    def look(self, kind: str, path: Path, spec: dict[str, Any]) -> Finished | Failed:
        """Attack or diagnose a network: a checkpoint, its folder, or the file of a train job."""
        source = path.parent / str(spec.get("source", ""))
        trained = source / FINAL if source.is_dir() else source
        if source.suffix == ".json":
            learned, training = _job(source)
            if learned != "train":
                raise NoJob(f"its source {source} is no train job")
            ending = self.train(source, training)
            if isinstance(ending, Failed) or self.stopped:
                return ending
            trained = self._folder(source) / FINAL
        if not trained.is_file():
            raise NoJob(f"its source {trained} is not there")
        other = _other(path, spec)
        spec |= {"source": "local"} | ({"transfer_from": "local"} if other else {})
        return self._look(kind, path, spec, trained, other)

    def _look(
        self, kind: str, path: Path, spec: dict[str, Any], trained: Path, other: Path | None
    ) -> Finished | Failed:
        folder, tell = self._folder(path), Teller(_name(path))
        datasets, stop = self.settings.datasets_dir, self._stop

        def told() -> Iterator[AnyEvent]:
            recipe = _recipe(trained)
            model, task = checkpoint.load(trained, recipe, datasets)
            beside = None
            if other is not None:
                beside = checkpoint.load_other(other, _recipe(other), datasets, task)
            if kind == "diagnose":
                yield from diagnose(spec, model, task, recipe, tell, datasets, stop)
            else:
                yield from evaluate(spec, model, task, tell, folder, stop, other=beside)

        ending = drive(told, self.sink, tell)
        conclude(folder, ending)
        print(folder)
        return ending

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """The first Ctrl-C cancels the job, the second ends the process."""

        def interrupt(*_: object) -> None:
            if self.stopped:
                raise KeyboardInterrupt
            self.stopped = True

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            self.sink.close()

    def _stop(self) -> bool:
        return self.stopped

    def _folder(self, path: Path) -> Path:
        return artifact_path(self.settings.data_dir, _name(path), 1, FINAL).parent


def _name(path: Path) -> str:
    return re.sub(r"[^\w-]+", "-", path.stem) or "job"


def _recipe(trained: Path) -> TrainSpec:
    return TrainSpec.model_validate_json(checkpoint.metadata(trained).get("spec", "{}"))


def _other(path: Path, spec: dict[str, Any]) -> Path | None:
    """The checkpoint that transferred attacks are made on, named as a source is."""
    named = spec.get("transfer_from")
    if named is None:
        return None
    other = path.parent / str(named)
    other = other / FINAL if other.is_dir() else other
    if not other.is_file():
        raise NoJob(f"transfer_from {other} is not there")
    return other


def _job(path: Path) -> tuple[str, dict[str, Any]]:
    """The kind and the spec of a file's job; its shape is checked before anything runs."""
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise NoJob(f"not JSON: {error}") from error
    if not isinstance(found, dict):
        raise NoJob("not a JSON object")
    kind, spec = found.get("kind", "train"), found.get("spec", found)
    if kind not in SPECS or not isinstance(spec, dict):
        raise NoJob(f"kind is one of {', '.join(SPECS)}, and spec an object")
    try:
        paths = {} if kind == "train" else {"source": "local"}
        paths |= {"transfer_from": "local"} if "transfer_from" in spec else {}
        SPECS[kind].model_validate({**spec, **paths})
    except ValidationError as error:
        raise NoJob(str(error)) from error
    return kind, spec
