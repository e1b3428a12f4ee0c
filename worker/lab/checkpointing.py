"""When a training writes what it remembers, and which of its networks was the best."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from worker.contract.events import Noted, Saved, Teller
from worker.contract.measurement import Value
from worker.lab import checkpoint
from worker.lab.core import memory
from worker.lab.core.run import Run
from worker.lab.states import Keeping, State, States

BEST = "best.safetensors"
LOSS = "train/loss"
SCORES = (LOSS, "test/accuracy", "validation/accuracy")
"""What networks are chosen by: the last of these that is measured."""
WAIT_S, ASK_S = 1.0, 0.005
"""A run that was stopped waits at most so long for its last events to be safe."""


@dataclass(frozen=True, order=True)
class Score:
    """How good a network is: by the accuracy on data held out for choosing, where there are any;
    else on test data or, until that is measured, by its loss."""

    by: int
    value: float

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Score | None:
        for by in reversed(range(len(SCORES))):
            value = values.get(SCORES[by])
            if isinstance(value, float | int):
                return cls(by, float(value) if by else -float(value))
        return None

    @property
    def words(self) -> str:
        return f"{SCORES[self.by]} {self.value if self.by else -self.value:.6g}"


@dataclass(frozen=True)
class _Moment:
    """A state that waits to be written until the events before it are safe."""

    seq: int
    step: int
    score: Score | None
    state: State


class Checkpointing:
    """Leaves the states of a run in `folder`, and beside them its best network so far."""

    def __init__(
        self, run: Run, tell: Teller, folder: Path | None, states: States, keeping: Keeping
    ) -> None:
        self.run, self.tell, self.folder = run, tell, folder
        self.states, self.keeping = states, keeping
        self.best: Score | None = None
        self._score: Score | None = None
        self._moment: _Moment | None = None
        self._due = time.monotonic() + keeping.every_s

    def resume(self, state: State) -> None:
        """Put the run where the state was taken."""
        memory.unpack(self.run, state.tensors, state.text)
        best = json.loads(state.text.get("best", "null"))
        self.best = Score(*best) if best else None

    def note(self, values: Mapping[str, Value]) -> None:
        """Take in what was measured."""
        score = Score.of(values)
        if score and not (self._score and self._score.by > score.by):
            self._score = score

    def look(self) -> Iterator[Noted | Saved]:
        """After events were told: take the state when it is time, write it when it is safe."""
        if self.folder is None:
            return
        if self._moment is None and time.monotonic() >= self._due:
            self._moment = self._taken()
        if self._moment is not None and self.keeping.settled(self._moment.seq):
            yield from self._write(self._moment)

    def last(self) -> Iterator[Noted | Saved]:
        """The run was stopped: the state as it is now."""
        if self.folder is None:
            return
        self._moment = moment = self._taken()
        until = time.monotonic() + WAIT_S
        while not (safe := self.keeping.settled(moment.seq)) and time.monotonic() < until:
            time.sleep(ASK_S)
        if safe:
            yield from self._write(moment)

    def _taken(self) -> _Moment:
        tensors, text = memory.pack(self.run)
        best = max(filter(None, (self.best, self._score)), default=None)
        text["best"] = json.dumps(best and [best.by, best.value])
        state = State({name: checkpoint.copied(tensor) for name, tensor in tensors.items()}, text)
        return _Moment(self.tell.seq, self.run.step, self._score, state)

    def _write(self, moment: _Moment) -> Iterator[Noted | Saved]:
        self._moment, self._due = None, time.monotonic() + self.keeping.every_s
        if why := self.states.save(moment.step, moment.state):
            yield self.tell.noted("no_checkpoint", why, moment.step)
        if not self.states.refused:
            with contextlib.suppress(OSError):
                yield from self._write_best(moment)

    def _write_best(self, moment: _Moment) -> Iterator[Saved]:
        score = moment.score
        if self.folder is None or score is None or (self.best is not None and score <= self.best):
            return
        text = {"spec": moment.state.text["spec"], "step": str(moment.step), "score": score.words}
        written = checkpoint.store(self.folder / BEST, _network(moment.state.tensors), text)
        self.best = score
        yield self.tell.saved("checkpoint", BEST, written.bytes, written.sha256, moment.step)


def _network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = memory.MODEL
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
