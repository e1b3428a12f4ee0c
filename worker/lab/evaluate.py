"""Attack a trained network over a grid of budgets, and tell what comes of it as it comes."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from worker.contract import catalog, combine
from worker.contract.events import AnyEvent, Measured, Noted, Saved, Started, Teller
from worker.contract.measurement import Value
from worker.contract.spec import AttackSpec
from worker.lab.checkpoint import copied, write
from worker.lab.core import bout as bouts
from worker.lab.core import device as devices
from worker.lab.core.attack import Attack, Result, evaluating
from worker.lab.core.bout import Bout
from worker.lab.core.card import card
from worker.lab.core.errors import LabError
from worker.lab.core.gallery import Gallery
from worker.lab.core.registry import entries
from worker.lab.core.tally import HEADER, Tally, accuracy_at_largest_eps, worst
from worker.lab.core.task import Split, Task
from worker.lab.core.trial import Trial
from worker.lab.states import State, States

PAUSE_S = 0.2
"""Partial results are told this often."""

KEPT_EVERY_S = 2.0
"""What a lost worker can cost, and the attack of one batch at one budget."""

AT_LARGEST = "accuracy_at_largest_eps"
"""A number of the curve for tables and summaries: what is left at the largest budget."""

BATCH = {"cpu": 125, "cuda": 1000}
"""Examples attacked together: small batches stay in a processor's cache."""


class _Stopped(Exception):
    """Someone asked the job to end."""


def evaluate(
    spec: AttackSpec | Mapping[str, Any],
    model: nn.Module,
    task: Task,
    tell: Teller | None = None,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    resume: Sequence[Path] = (),
    other: nn.Module | None = None,
    kept: int = 2,
) -> Iterator[AnyEvent]:
    """Attack `model`, which takes inputs in [0, 1], on a split of `task`.

    Yields Started, the clean accuracy, then for every attack its progress, its accuracy over its
    budget with 95 % intervals and its loss over steps as they grow, a gallery, its evaluation
    card, and the worst case over the attacks of one budget. `attack.csv`, one line an example and
    budget, lies in `folder` if there is one. `stop` is asked after every look at the network;
    what is known by then is kept. `other` is the network that transferred attacks are made on.
    Neither network is changed.

    While it works, and when it is stopped, it leaves all that is known in `folder`, the last `kept`
    times (`states.left` finds them). Given as `resume`, the newest first, a later call with the
    same spec goes on from the first that is whole, and finds what one call would have found.

    Raises LabError: "bad_spec", "no_device", "bad_model", "bad_attack", "bad_checkpoint".
    """
    if not isinstance(spec, AttackSpec):
        spec = AttackSpec.model_validate({"source": "local", **spec})
    attacks = [Attack.of(choice) for choice in spec.attacks]
    for field_, reason in combine.attack_refusals(spec, lambda n: entries("attack")[n].told()):
        raise LabError("bad_spec", f"{field_}: {reason}")
    device = devices.choose(spec.device)
    model, other = _placed(model, device), other and _placed(other, device)
    data, grid = (
        _split(task, spec.split).head(spec.limit).to(device),
        tuple(sorted(set(spec.eps_grid))),
    )
    found = [Bout(Tally(a, grid, data.y.cpu()), _gallery(task, a, grid)) for a in attacks]
    states = States(folder, resume, kept)
    state, problems = states.newest()
    if state is not None:
        bouts.unpack(found, spec.model_dump_json(), *state)
    tell = tell or Teller()
    job = _Evaluation(spec, model, other, task, data, found, grid, tell, folder, states, stop)
    job.problems += problems
    with evaluating(model):
        yield from job.events(devices.describe(device))


def _split(task: Task, name: str) -> Split:
    split = {"test": task.test, "validation": task.validation, "train": task.train}[name]
    if split is None:
        raise LabError("bad_spec", "split: the source held no validation data out")
    return split


def _placed(model: nn.Module, device: torch.device) -> nn.Module:
    if any(tensor.device != device for tensor in model.state_dict().values()):
        return copy.deepcopy(model).to(device)
    return model


def _gallery(task: Task, attack: Attack, grid: tuple[float, ...]) -> Gallery | None:
    """Of a budget whose changes a person can judge: the middle one above zero."""
    above = [eps for eps in grid if eps] or [0.0]
    eps = above[len(above) // 2]
    ball = attack.inputs(eps)
    if ball is None or task.layout != "image":
        return None
    return Gallery(task.classes, eps, ball.norm, attack.unit)


@dataclass
class _Evaluation:
    spec: AttackSpec
    model: nn.Module
    other: nn.Module | None
    task: Task
    data: Split
    bouts: list[Bout]
    grid: tuple[float, ...]
    tell: Teller
    folder: Path | None
    states: States
    stop: Callable[[], bool]
    problems: list[str] = field(default_factory=list)
    clean: Tensor = field(init=False)
    _part: float = 0.0
    _told: float = field(default_factory=time.monotonic)
    _kept: float = field(default_factory=time.monotonic)

    @property
    def each(self) -> int:
        """Examples times budgets: the work of one attack."""
        return len(self.data) * len(self.grid)

    @property
    def done(self) -> float:
        return sum(bout.done for bout in self.bouts) + self._part

    @property
    def tallies(self) -> list[Tally]:
        """Of the attacks that have begun."""
        return [bout.tally for bout in self.bouts if bout.done]

    def events(self, device: str) -> Iterator[AnyEvent]:
        yield self._started(device)
        for problem in self.problems:
            yield self.tell.noted("damaged_checkpoint", problem, int(self.done))
        try:
            self.clean = torch.cat([self._predict(self.data.x[part]) for part in self._batches()])
            right = (self.clean == self.data.y.cpu()).double().mean()
            yield self._tell({"attack/clean/accuracy": float(right)})
            for bout in self.bouts:
                yield from self._attack(bout)
            for bout in self.bouts:
                yield from self._card(bout)
        except _Stopped:
            yield from self._keep()
            yield from self._saved()
            yield self.tell.finished(int(self.done), "cancelled", "stopped as asked")
        else:
            yield from self._saved()
            yield self.tell.finished(int(self.done))
            self.states.clear()

    def _started(self, device: str) -> Started:
        names = [bout.name for bout in self.bouts]
        return self.tell.started(
            device,
            self.each * len(names),
            1.0,
            catalog.load().hash,
            attacks=names,
            examples=len(self.data),
            eps_grid=list(self.grid),
            resumed_at=int(self.done),
            series=[f"attack/{name}/progress" for name in names],
        )

    def _attack(self, bout: Bout) -> Iterator[AnyEvent]:
        """All budgets batch by batch, so that the whole curve shows early and then narrows."""
        if not bout.over:
            yield self._measured(bout)
        whole = [slice(0, len(self.data))]
        for number, part in enumerate(self._batches() if bout.attack.moves == "inputs" else whole):
            for row in range(len(self.grid)):
                if not bool(bout.tally.known[row, part.start]):
                    yield from self._one(bout, number, part, row)
        yield self._measured(bout, last=True)

    def _one(self, bout: Bout, number: int, part: slice, row: int) -> Iterator[AnyEvent]:
        """One batch at one budget."""
        x, y, eps = self.data.x[part], self.data.y[part], self.grid[row]
        generator = torch.Generator().manual_seed(_seed(self.spec.seed, number))
        walk = bout.attack.walk(self.model, x, y, eps=eps, generator=generator, other=self.other)
        result = yield from self._watched(walk, bout, len(y))
        bout.tally.add(row, part.start, result)
        if gallery := bout.pictures(eps):
            gallery.add(x, y, self.clean[part].to(x.device), result)
        if time.monotonic() - self._kept >= KEPT_EVERY_S:
            yield from self._keep()

    def _watched(
        self, walk: Generator[float, None, Result], bout: Bout, weight: int = 0
    ) -> Generator[AnyEvent, None, Result]:
        """Walk on, asking after each look whether to stop and telling now and then."""
        with contextlib.closing(walk):
            while True:
                if self.stop():
                    raise _Stopped
                try:
                    share = next(walk)
                except StopIteration as end:
                    self._part = 0.0
                    found: Result = end.value
                    return found
                self._part = share * weight
                if time.monotonic() - self._told >= PAUSE_S:
                    yield self._measured(bout)

    def _measured(self, bout: Bout, last: bool = False) -> Measured:
        name, tally = f"attack/{bout.name}", bout.tally
        values: dict[str, Value] = {
            f"{name}/progress": min(1.0, (bout.done + self._part) / self.each)
        }
        if bout.done:
            values[f"{name}/accuracy"] = tally.accuracy()
        if mean := tally.mean_accuracy():
            values[f"{name}/mean_accuracy"] = mean
        if tally.losses:
            values[f"{name}/loss"] = tally.loss()
        if last:
            values["attack/worst/accuracy"] = worst(self.tallies)
            values[f"{name}/{AT_LARGEST}"] = accuracy_at_largest_eps([tally])
            values[f"attack/worst/{AT_LARGEST}"] = accuracy_at_largest_eps(self.tallies)
            if bout.gallery and (images := bout.gallery.images()):
                values[f"{name}/gallery"] = images
        self._told = time.monotonic()
        return self._tell(values)

    def _card(self, bout: Bout) -> Iterator[AnyEvent]:
        trial = Trial(
            self.model,
            self.task,
            self.data,
            self.clean,
            bout.tally,
            self.tallies,
            self.spec.seed,
            self.other,
        )
        table = yield from self._watched(card(trial), bout)
        yield self._tell({f"attack/{bout.name}/card": table})

    def _tell(self, values: Mapping[str, Value]) -> Measured:
        total = self.each * len(self.bouts)
        return self.tell.measured(int(self.done), self.done / total, values)

    def _keep(self) -> Iterator[Noted]:
        """Leave all that is known."""
        tensors, text = bouts.pack(self.bouts, self.spec.model_dump_json())
        state = State({name: copied(tensor) for name, tensor in tensors.items()}, text)
        known = sum(bout.done for bout in self.bouts)
        if why := self.states.save(known, state):
            yield self.tell.noted("no_checkpoint", why, known)
        self._kept = time.monotonic()

    def _saved(self) -> Iterator[Saved]:
        if self.folder:
            lines = (line for tally in self.tallies for line in tally.lines(self.clean))
            text = HEADER + "".join(lines)
            file = write(self.folder / "attack.csv", text.encode())
            yield self.tell.saved("table", "attack.csv", file.bytes, file.sha256, int(self.done))

    def _batches(self) -> list[slice]:
        size = BATCH[self.data.x.device.type]
        return [slice(at, min(at + size, len(self.data))) for at in range(0, len(self.data), size)]

    @torch.no_grad()
    def _predict(self, x: Tensor) -> Tensor:
        classes: Tensor = self.model(x).argmax(1).cpu()
        return classes


def _seed(seed: int, batch: int) -> int:
    """The same random starts at every budget, so that a budget's result stands alone."""
    return seed * 1_000_003 + batch
