"""Answers to probes, and the trained networks kept at hand for them."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from worker.contract import wire
from worker.contract.artifacts import Artifacts
from worker.contract.measurement import encoded
from worker.contract.settings import Settings
from worker.contract.spec import TrainSpec
from worker.lab import checkpoint
from worker.lab.core import device as devices
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.task import Task
from worker.runner import pathless
from worker.staging import bring_dataset, with_datasets

NETWORKS, TASKS = 8, 2

Kept = TypeVar("Kept")


class Answers:
    """Keeps the last few networks and data sets, on one device."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.device = devices.choose("auto")
        self._networks: OrderedDict[str, nn.Module] = OrderedDict()
        self._tasks: OrderedDict[str, Task] = OrderedDict()

    def to(self, question: wire.Question) -> wire.Answer:
        """Whatever happens becomes an answer."""
        began = time.perf_counter()
        try:
            probe = Probe.of(question.probe)
            subject = self._subject(question.source)
            with devices.threads(self.device, 0):
                found = probe.answer(subject, torch.Generator().manual_seed(0))
            values = {name: encoded(value) for name, value in found.items()}
            return wire.Answer(values=values, seconds=time.perf_counter() - began)
        except LabError as error:
            return wire.Answer(code=error.code, message=pathless(error.message))
        except Exception as error:
            message = pathless(f"{type(error).__name__}: {error}")[:2000]
            return wire.Answer(code="internal", message=message)

    def _subject(self, source: wire.Source) -> Subject:
        recipe = TrainSpec.model_validate(source.spec)
        task = self._task(recipe)
        networks = [self._network(one, task) for one in (source, *source.peers)]
        return Subject(networks[0], task, recipe, networks[1:])

    def _task(self, recipe: TrainSpec) -> Task:
        name = recipe.dataset.model_dump_json()
        bring_dataset(self.settings, recipe.dataset.name)
        folder = with_datasets(self.settings).datasets_dir
        return _kept(
            self._tasks,
            name,
            TASKS,
            lambda: Dataset.of(recipe.dataset).load(folder).to(self.device),
        )

    def _network(self, source: wire.Source, task: Task) -> nn.Module:
        place = source.job, source.attempt, source.checkpoint

        def load() -> nn.Module:
            model = checkpoint.untrained(TrainSpec.model_validate(source.spec), task)
            with Artifacts(self.settings).file(*place) as file:
                checkpoint.restore(model, file)
            return model.to(self.device).eval()

        return _kept(self._networks, json.dumps([place, source.spec]), NETWORKS, load)


def _kept(shelf: OrderedDict[str, Kept], name: str, most: int, make: Callable[[], Kept]) -> Kept:
    """What is on the shelf under a name, made if need be; the one longest unused goes."""
    if name not in shelf:
        shelf[name] = make()
    shelf.move_to_end(name)
    while len(shelf) > most:
        shelf.popitem(last=False)
    return shelf[name]
