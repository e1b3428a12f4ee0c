"""A training run in the making: its parts, and one step of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from worker.contract import combine
from worker.contract.spec import TrainSpec
from worker.lab.core import device as devices
from worker.lab.core.attack import evaluating
from worker.lab.core.batches import batches
from worker.lab.core.dataset import Dataset
from worker.lab.core.diagnostic import Diagnostic
from worker.lab.core.errors import LabError
from worker.lab.core.group import Group, Part
from worker.lab.core.layers import Layers
from worker.lab.core.losses import Losses, Roots, Terms, backward
from worker.lab.core.method import Method
from worker.lab.core.model import Model
from worker.lab.core.optimizer import Optimizer, trainable
from worker.lab.core.point import Point
from worker.lab.core.registry import entries
from worker.lab.core.step import Step
from worker.lab.core.task import Task

Stage = Callable[[str], AbstractContextManager[object]]
"""Told what is being done while the block lasts, such as "load data"."""


def require_sense(spec: TrainSpec, network: Model, task: Task, part: str = "") -> None:
    """LabError where choices exclude each other, or the network lacks what one needs; for the
    fields that start with `part`."""
    chosen = combine.chosen(spec, lambda kind, name: entries(kind)[name].told())
    layers = network.layers_for(task)
    found = [*combine.refusals(chosen, layers), *combine.sharing_refusals(spec, chosen, layers)]
    found += combine.batch_refusals(spec, layers, task.shape, len(task.train))
    for field, reason in found:
        if field.startswith(part):
            raise LabError("bad_spec", f"{field}: {reason}")


@dataclass
class Run:
    """Everything that training moves: the weights, the optimizer's memory, the order of batches
    and the count of steps. A resumable checkpoint is these four; the rest follows from the spec.
    """

    spec: TrainSpec
    device: torch.device
    task: Task
    model: nn.Module
    layers: Layers
    losses: Losses
    recipe: Optimizer
    optimizer: torch.optim.Optimizer
    diagnostics: list[Diagnostic]
    generator: torch.Generator
    weights: list[nn.Parameter]
    macs: int
    initial: dict[str, Tensor]
    datasets: Path | None = None
    group: Group | None = None
    step: int = 0

    @classmethod
    def build(
        cls,
        spec: TrainSpec,
        datasets: Path | None,
        group: Group | None = None,
        stage: Stage = nullcontext,
    ) -> Run:
        """The run at step 0. LabError for whatever the spec asks that cannot be."""
        device = devices.choose(spec.device)
        methods = [Method.of(choice) for choice in spec.methods]
        diagnostics = [Diagnostic.of(choice) for choice in spec.diagnostics]
        recipe = Optimizer.of(spec.optimizer)
        network = Model.of(spec.model)
        with stage("load data"):
            task = Dataset.of(spec.dataset).load(datasets).to(device)
        require_sense(spec, network, task)
        torch.manual_seed(spec.seed)
        with stage("build"):
            model: nn.Module = network.build(task)
            for method in methods:
                model = method.prepare(model, task)
            model = model.to(device).train()
        return cls(
            spec,
            device,
            task,
            model,
            Layers.of(model),
            Losses(methods),
            recipe,
            recipe.build(model),
            [found for found in diagnostics if found.applies(task)],
            torch.Generator().manual_seed(spec.seed),
            trainable(model),
            network.cost(task).macs * spec.batch_size,
            {name: value.detach().clone() for name, value in model.named_parameters()},
            datasets,
            group,
        )

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.task.train) // self.spec.batch_size)

    @property
    def steps(self) -> int:
        return self.spec.epochs * self.steps_per_epoch

    def rate(self) -> float:
        """The learning rate of the step to come."""
        return self.recipe.rate(self.step, self.steps)

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """All that are still to come."""
        first, skip = divmod(self.step, self.steps_per_epoch)
        train, size, seed = self.task.train, self.spec.batch_size, self.spec.seed
        for epoch in range(first, self.spec.epochs):
            yield from batches(train, size, seed, epoch, skip * (epoch == first))

    def look(
        self, x: Tensor, y: Tensor, ahead: bool = False, part: Part | None = None
    ) -> tuple[Step, Roots, Terms]:
        """Forward on a batch: the step, where backward starts, and the losses by name.
        A look ahead leaves no trace in the model."""
        point = Point(x)
        step = Step(
            self.model,
            self.task,
            self.step,
            self.steps,
            y,
            point,
            point,
            self.generator,
            ahead=ahead,
            epoch=self.steps_per_epoch,
            optimizer=self.optimizer,
            part=part,
        )
        return step, *self.losses.terms(step)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Step, Terms]:
        """Forward and backward on a batch, or on this process's part and then all together."""
        if self.group is None:
            step, roots, terms = self.look(x, y)
            backward(roots)
            return step, terms
        part = self.group.part(len(x))
        step, roots, terms = self.look(part.cut(x), part.cut(y), part=part)
        backward(roots)
        return step, self.group.join(self.weights, terms, part)

    def update(self, step: Step) -> None:
        """Move the weights by the gradients that `gradients` left."""
        if self.recipe.schedule != "constant":
            for group in self.optimizer.param_groups:
                group["lr"] = self.rate()
        self.optimizer.step()
        self.losses.project(self.model, step)
        for weight in self.weights:
            weight.grad = None
        self.step += 1

    def finish(self) -> None:
        """After the last step: what methods left for the end."""
        with evaluating(self.model):
            self.losses.finish(self.model, self.task)
