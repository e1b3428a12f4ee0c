"""Attack a trained network over a grid of budgets, and tell what comes of it as it comes."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from worker.contract import catalog
from worker.contract.events import AnyEvent, Measured, Saved, Started, Teller
from worker.contract.measurement import Value
from worker.contract.spec import AttackSpec
from worker.lab.checkpoint import write
from worker.lab.core import device as devices
from worker.lab.core.attack import Attack, evaluating
from worker.lab.core.card import Trial, card
from worker.lab.core.gallery import Gallery
from worker.lab.core.tally import HEADER, Tally, accuracy_at_largest_eps, worst
from worker.lab.core.task import Split, Task

PAUSE_S = 0.2
"""Partial results are told this often."""

AT_LARGEST = "accuracy_at_largest_eps"
"""A number of the curve for tables and summaries: what is left at the largest budget."""

BATCH = {"cpu": 125, "cuda": 1000}
"""Examples attacked together: small batches stay in a processor's cache."""

Result = TypeVar("Result")


class _Stopped(Exception):
    """Someone asked the job to end."""


def evaluate(
    spec: AttackSpec | Mapping[str, Any],
    model: nn.Module,
    task: Task,
    tell: Teller | None = None,
    folder: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[AnyEvent]:
    """Attack `model`, which takes inputs in [0, 1], on a split of `task`.

    Yields Started, then for every attack its progress, its accuracy over eps with 95 % intervals
    and its loss over steps as they grow, a gallery, its evaluation card, and the worst case over
    all attacks, point by point. `attack.csv`, one line an example and budget, lies in `folder`
    if there is one. `stop` is asked after every look at the network; what is known by then is
    kept. The model is left as it was.

    Raises LabError: "bad_spec", "no_device", "bad_model", "bad_attack".
    """
    if not isinstance(spec, AttackSpec):
        spec = AttackSpec.model_validate({"source": "local", **spec})
    device = devices.choose(spec.device)
    if any(tensor.device != device for tensor in model.state_dict().values()):
        model = copy.deepcopy(model).to(device)
    split = task.test if spec.split == "test" else task.train
    job = _Evaluation(
        spec,
        model,
        task,
        split.head(spec.limit).to(device),
        [Attack.of(choice) for choice in spec.attacks],
        tuple(sorted(set(spec.eps_grid))),
        tell or Teller(),
        folder,
        stop,
    )
    with evaluating(model):
        yield from job.events(devices.describe(device))


@dataclass
class _Evaluation:
    spec: AttackSpec
    model: nn.Module
    task: Task
    data: Split
    attacks: list[Attack]
    grid: tuple[float, ...]
    tell: Teller
    folder: Path | None
    stop: Callable[[], bool]
    clean: Tensor = field(init=False)
    tallies: list[Tally] = field(default_factory=list)
    _done: float = 0.0
    _told: float = field(default_factory=time.monotonic)

    @property
    def each(self) -> int:
        """Examples times budgets: the work of one attack."""
        return len(self.data) * len(self.grid)

    def events(self, device: str) -> Iterator[AnyEvent]:
        yield self._started(device)
        try:
            self.clean = torch.cat([self._predict(x) for x in self._batches()])
            for index, attack in enumerate(self.attacks):
                self._done = float(index * self.each)
                yield from self._attack(attack)
            for tally in self.tallies:
                yield from self._card(tally)
        except _Stopped:
            yield from self._saved()
            yield self.tell.finished(int(self._done), "cancelled", "stopped as asked")
        else:
            yield from self._saved()
            yield self.tell.finished(int(self._done))

    def _started(self, device: str) -> Started:
        names = [attack.name() for attack in self.attacks]
        return self.tell.started(
            device,
            self.each * len(names),
            1.0,
            catalog.load().hash,
            attacks=names,
            examples=len(self.data),
            eps_grid=list(self.grid),
            series=[f"attack/{name}/progress" for name in names],
        )

    def _attack(self, attack: Attack) -> Iterator[AnyEvent]:
        """All budgets batch by batch, so that the whole curve shows early and then narrows."""
        tally = Tally(attack, self.grid, self.data.y.cpu())
        self.tallies.append(tally)
        gallery = Gallery(self.task.classes, _middle(self.grid), attack.norm)  # type: ignore[attr-defined]
        start, began = 0, self._done
        yield self._measured(tally)
        for batch, x in enumerate(self._batches()):
            part = slice(start, start + len(x))
            for row, eps in enumerate(self.grid):
                before = self._done
                generator = torch.Generator().manual_seed(_seed(self.spec.seed, batch))
                walk = attack.walk(self.model, x, self.data.y[part], eps=eps, generator=generator)
                result = yield from self._watched(walk, tally, len(x))
                tally.add(row, start, result)
                self._done = before + len(x)
                if eps == gallery.eps and self.task.layout == "image":
                    gallery.add(x, self.data.y[part], self.clean[part].to(x.device), result)
            start += len(x)
        self._done = began + self.each
        yield self._measured(tally, gallery)

    def _watched(
        self, walk: Generator[float, None, Result], tally: Tally, weight: int = 0
    ) -> Generator[AnyEvent, None, Result]:
        """Walk on, asking after each look whether to stop and telling now and then."""
        before = self._done
        with contextlib.closing(walk):
            while True:
                if self.stop():
                    raise _Stopped
                try:
                    share = next(walk)
                except StopIteration as end:
                    found: Result = end.value
                    return found
                self._done = before + share * weight
                if time.monotonic() - self._told >= PAUSE_S:
                    yield self._measured(tally)

    def _measured(self, tally: Tally, gallery: Gallery | None = None) -> Measured:
        name = f"attack/{tally.attack.name()}"
        first = self.tallies.index(tally) * self.each
        values: dict[str, Value] = {
            f"{name}/progress": min(1.0, (self._done - first) / self.each),
        }
        if bool(tally.known.any()):
            values[f"{name}/accuracy"] = tally.accuracy()
        if tally.losses:
            values[f"{name}/loss"] = tally.loss()
        if gallery:
            values["attack/worst/accuracy"] = worst(self.tallies)
            values[f"{name}/{AT_LARGEST}"] = accuracy_at_largest_eps([tally])
            values[f"attack/worst/{AT_LARGEST}"] = accuracy_at_largest_eps(self.tallies)
            if images := gallery.images():
                values[f"{name}/gallery"] = images
        self._told = time.monotonic()
        return self._tell(values)

    def _card(self, tally: Tally) -> Iterator[AnyEvent]:
        trial = Trial(
            self.model, self.task, self.data, self.clean, tally, self.tallies, self.spec.seed
        )
        table = yield from self._watched(card(trial), tally)
        yield self._tell({f"attack/{tally.attack.name()}/card": table})

    def _tell(self, values: Mapping[str, Value]) -> Measured:
        total = self.each * len(self.attacks)
        return self.tell.measured(int(self._done), self._done / total, values)

    def _saved(self) -> Iterator[Saved]:
        if self.folder:
            lines = (line for tally in self.tallies for line in tally.lines(self.clean))
            text = HEADER + "".join(lines)
            file = write(self.folder / "attack.csv", text.encode())
            yield self.tell.saved("table", "attack.csv", file.bytes, file.sha256, int(self._done))

    def _batches(self) -> tuple[Tensor, ...]:
        return torch.split(self.data.x, BATCH[self.data.x.device.type])

    @torch.no_grad()
    def _predict(self, x: Tensor) -> Tensor:
        classes: Tensor = self.model(x).argmax(1).cpu()
        return classes


def _middle(grid: tuple[float, ...]) -> float:
    """A budget whose changes a person can judge: the middle one above zero."""
    above = [eps for eps in grid if eps] or [0.0]
    return above[len(above) // 2]


def _seed(seed: int, batch: int) -> int:
    """The same random starts at every budget, so that a budget's result stands alone."""
    return seed * 1_000_003 + batch
