"""Looking at a run without touching it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.measurement import Shape, Value
from worker.lab.core.attack import evaluating
from worker.lab.core.diagnostic import View
from worker.lab.core.layers import Layers
from worker.lab.core.losses import Terms
from worker.lab.core.run import Run
from worker.lab.core.step import Step

Values = dict[str, Value | Tensor]


class Watch:
    """The diagnostics of a run, and what they need: views of it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.wants_gradient = any(found.needs_input_gradient for found in run.diagnostics)
        self.wants_move = any(found.needs_move for found in run.diagnostics)
        # Drawing from the training's generator would change the order of its batches.
        self._generator = torch.Generator().manual_seed(run.spec.seed)

    @property
    def shares_backward(self) -> bool:
        """Whether the training pass yields the input gradients too."""
        alone = self.run.group is None
        return self.wants_gradient and alone and self.run.losses.plain and self.run.layers.steady

    def view(self, step: Step, measures: bool = True, final: bool = False) -> View:
        """The run as it stands, before `update`. Input gradients are for `measure` alone."""
        run, x = self.run, step.clean.x
        with evaluating(run.model) if not run.layers.steady else contextlib.nullcontext():
            wanted = measures and self.wants_gradient
            gradient = self._input_gradient(x, step.y) if wanted else None
            same = step.point is step.clean and run.layers.steady
            logits = step.logits if same else run.model(x)
        return View(
            model=run.model,
            task=run.task,
            layers=run.layers,
            x=x.detach(),
            y=step.y,
            logits=logits.detach(),
            input_gradient=gradient,
            generator=self._generator,
            initial=run.initial,
            rate=run.rate(),
            scale_free=run.recipe.scale_free,
            datasets=run.datasets,
            first=run.step == 0,
            final=final,
        )

    def _input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        if x.grad is not None:
            return x.grad * len(x)  # of a mean over the batch, by the training pass
        return input_gradient(self.run.model, x, y)

    @torch.no_grad()
    def measure(self, view: View) -> Values:
        values: Values = {"learning_rate": self.run.rate()}
        for diagnostic in self.run.diagnostics:
            values |= diagnostic.measure(view)
        return values

    def weights(self) -> dict[str, Tensor]:
        """A copy of the weights before a step, by parameter name, if a diagnostic wants one."""
        return copies(self.run.model) if self.wants_move else {}

    @torch.no_grad()
    def moved(self, view: View, before: Mapping[str, Tensor]) -> Values:
        values: Values = {}
        for diagnostic in self.run.diagnostics:
            values |= diagnostic.moved(view, before)
        return values

    @torch.no_grad()
    def survey(self, view: View) -> Values:
        with evaluating(self.run.model):
            values: Values = {}
            for diagnostic in self.run.diagnostics:
                values |= diagnostic.survey(view)
            return values

    def final(self, x: Tensor, y: Tensor) -> tuple[Terms, Values]:
        """Everything once more: the last weights on a batch, and the whole of the test data."""
        step, _, terms = self.run.look(x, y, ahead=True)
        view = self.view(step, final=True)
        return terms, self.measure(view) | self.survey(view) | self.study(view)

    @torch.no_grad()
    def study(self, view: View) -> Values:
        with evaluating(self.run.model):
            values: Values = {}
            for diagnostic in self.run.diagnostics:
                values |= diagnostic.study(view)
            return values


def copies(model: nn.Module) -> dict[str, Tensor]:
    """Of the weights, by parameter name."""
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def input_gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """∇ₓ of each example's cross-entropy, (B, *shape), by a pass of its own."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        loss = F.cross_entropy(model(x), y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return gradient


def rehearse(run: Run, x: Tensor, y: Tensor) -> tuple[list[str], list[str]]:
    """The names of the loss terms and of all scalars to come, found on a copy of the run."""
    model = copy.deepcopy(run.model)
    generator = torch.Generator().manual_seed(0)
    twin = replace(run, model=model, layers=Layers.of(model), generator=generator)
    watch = Watch(twin)
    with torch.random.fork_rng(devices=[]):
        step, _, terms = twin.look(x, y)
        view = watch.view(step)
        values = watch.measure(view) | watch.survey(view) | watch.moved(view, copies(model))
    scalars = [name for name, value in values.items() if not isinstance(value, Shape)]
    losses = ["train/loss", *terms]
    return losses, [*losses, *scalars]
