"""Train a network and tell of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from worker.contract import catalog
from worker.contract.events import AnyEvent, Finished, Measured, Saved, Started, Teller
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint
from worker.lab.checkpointing import Checkpointing
from worker.lab.core import device as devices
from worker.lab.core.diagnostic import View
from worker.lab.core.errors import LabError
from worker.lab.core.ledger import Ledger
from worker.lab.core.pace import SURVEYED_MOST, Auto, Pace
from worker.lab.core.run import Run, Stage
from worker.lab.core.watch import Values, Watch, rehearse
from worker.lab.peers import together
from worker.lab.states import Keeping, States

FINAL = "final.safetensors"


def fit(
    spec: TrainSpec | Mapping[str, Any],
    tell: Teller | None = None,
    folder: Path | None = None,
    datasets: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    resume: Sequence[Path] = (),
    keeping: Keeping = Keeping(),  # noqa: B008, frozen
    stage: Stage = nullcontext,
) -> Iterator[AnyEvent]:
    """Train as the spec says: Started, Measured…, Saved, Finished, each as soon as it is known.

    `folder` is where the network is saved (nothing is saved without one), `datasets` a folder of
    data sets by name. `stop` is asked before every step; once it is true the network is saved and
    the run finishes as cancelled. `stage` is told what is done before the first step. A measurement
    at step n is of the weights after n updates.

    Every 15 s, and when it is stopped, the run leaves all that it remembers in `folder`
    (`states.left` finds it), and `best.safetensors`, the best network so far by accuracy on the
    validation split, else on test data or, where neither is measured, by loss. Given such states
    as `resume`, the newest first, the run goes on from the first that is whole, and tells of those
    that are not. On a CPU a spec gives the same weights bit for bit, however often it is measured,
    interrupted and resumed.

    Raises LabError; Diverged, once the step that shows it is told.
    """
    asked = _parsed(spec)
    run = Run.build(asked, datasets, stage=stage)
    with together(asked, datasets, resume) as run.group:
        yield from _fit(run, tell or Teller(), folder, stop, resume, keeping)


def _fit(
    run: Run,
    tell: Teller,
    folder: Path | None,
    stop: Callable[[], bool],
    resume: Sequence[Path],
    keeping: Keeping,
) -> Iterator[AnyEvent]:
    states = States(folder, resume, keeping.last)
    keeper = Checkpointing(run, tell, folder, states, keeping)
    state, problems = states.newest()
    if state is not None:
        keeper.resume(state)
    training = _Training(run, tell, stop, keeper)
    with devices.threads(run.device, run.macs):
        yield training.started()
        for problem in problems:
            yield tell.noted("damaged_checkpoint", f"{problem}; {training.whence()}", run.step)
        yield from training.steps()
        if not training.cancelled:
            run.finish()
            yield from training.final()
    if folder is not None:
        yield training.saved(folder)
    yield training.finished()
    if not training.cancelled:
        states.clear()


def _parsed(spec: TrainSpec | Mapping[str, Any]) -> TrainSpec:
    try:
        return TrainSpec.model_validate(spec)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LabError("bad_spec", f"{where}: {first['msg']}") from error


class _Training:
    """The loop: what makes a step, when to look, what to tell."""

    def __init__(
        self, run: Run, tell: Teller, stop: Callable[[], bool], keeper: Checkpointing
    ) -> None:
        self.run, self.tell, self.stop, self.keeper = run, tell, stop, keeper
        self.watch = Watch(run)
        self.pace = _pace(run)
        self.ledger = Ledger(tell, run.steps_per_epoch)
        self.cancelled = False

    def started(self) -> Started:
        run = self.run
        terms, series = rehearse(run, *self._batch())
        return self.tell.started(
            devices.describe(run.device),
            run.steps,
            run.spec.epochs,
            catalog.load().hash,
            steps_per_epoch=run.steps_per_epoch,
            resumed_at=run.step,
            parameters=sum(weight.numel() for weight in run.model.parameters()),
            layers=run.layers.names,
            terms=terms,
            series=series,
        )

    def whence(self) -> str:
        return f"went on from step {self.run.step}" if self.run.step else "began again"

    def steps(self) -> Iterator[AnyEvent]:
        stop, ledger = self.stop, self.ledger
        asks = stop if (group := self.run.group) is None else lambda: group.asks(stop)
        for x, y in self.run.batches():
            if asks():
                self.cancelled = True
                yield from ledger.flush()
                yield from self.keeper.last()
                return
            self._step(x, y)
            if ledger.due():
                yield from self._told()
                yield from self.keeper.look()
        yield from self._told()

    def final(self) -> Iterator[Measured]:
        """The last weights on a batch, and on the whole of the test data."""
        terms, values = self.watch.final(*self._batch())
        self.ledger.note(self.run.step, terms, values)
        yield from self.ledger.flush()

    def saved(self, folder: Path) -> Saved:
        run = self.run
        metadata = {"spec": run.spec.model_dump_json(), "step": str(run.step)}
        written = checkpoint.save(run.model, folder / FINAL, metadata)
        return self.tell.saved("checkpoint", FINAL, written.bytes, written.sha256, run.step)

    def finished(self) -> Finished:
        run = self.run
        if self.cancelled:
            message = f"cancelled after {run.step} of {run.steps} steps"
            return self.tell.finished(run.step, "cancelled", message)
        return self.tell.finished(run.step)

    def _batch(self) -> tuple[Tensor, Tensor]:
        """A batch for looks beside the training, the same every time."""
        head = self.run.task.train.head(self.run.spec.batch_size)
        return head.x, head.y

    def _step(self, x: Tensor, y: Tensor) -> None:
        run, pace, watch = self.run, self.pace, self.watch
        surveys, measures = pace.surveys(run.step), pace.measures(run.step)
        began = pace.began(measures)
        if measures and watch.shares_backward:
            x = x.detach().requires_grad_()
        step, terms = run.gradients(x, y)
        readings: Values | None = None
        if measures or surveys:
            seen = step if run.group is None else run.look(x, y, ahead=True)[0]
            view = watch.view(seen, measures)
            readings = watch.measure(view) if measures else {}
            if surveys:
                began += self._survey(view, readings)
        self.ledger.note(run.step, terms, readings)
        before = watch.weights() if measures else {}
        run.update(step)
        if before and readings is not None:
            readings |= watch.moved(view, before)
        pace.ended(began, measures)

    def _survey(self, view: View, readings: Values) -> float:
        """Add what takes longer; returns how long it took."""
        began = time.perf_counter()
        readings |= self.watch.survey(view)
        seconds = time.perf_counter() - began
        self.pace.surveyed(seconds)
        return seconds

    def _told(self) -> Iterator[Measured]:
        began, points = time.perf_counter(), self.ledger.points
        for event in self.ledger.flush():
            self.keeper.note(event.values)
            yield event
        if points:
            self.pace.told(time.perf_counter() - began, points)


def _pace(run: Run) -> Pace:
    every = run.spec.log_every
    if every != "auto":
        return Pace(every, run.steps_per_epoch * -(-run.spec.epochs // SURVEYED_MOST))
    return Auto(run.steps, torch.cuda.synchronize if run.device.type == "cuda" else None)
