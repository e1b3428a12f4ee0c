"""Look at a trained network as closely as one likes, and tell what is found as it is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from worker.contract import catalog
from worker.contract.events import AnyEvent, Teller
from worker.contract.spec import DiagnoseSpec, TrainSpec
from worker.lab import checkpoint
from worker.lab.core import device as devices
from worker.lab.core.attack import evaluating
from worker.lab.core.diagnostic import Diagnostic, Reading, View
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.model import Model
from worker.lab.core.optimizer import Optimizer
from worker.lab.core.run import require_sense
from worker.lab.core.task import Task
from worker.lab.core.watch import input_gradient


def diagnose(
    spec: DiagnoseSpec | Mapping[str, Any],
    model: nn.Module,
    task: Task,
    recipe: TrainSpec,
    tell: Teller | None = None,
    datasets: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
    peers: Sequence[nn.Module] = (),
) -> Iterator[AnyEvent]:
    """Take every reading of the diagnostics on `model`, which `recipe` trained on `task`.

    Yields Started, a Measured for each reading as soon as it is known, and Finished. The batch is
    the first `batch_size` training examples. `peers` are networks of the same task to compare
    with. `stop` is asked after every reading. The model is left as it was.

    Raises LabError: "bad_spec", "no_device", "bad_model".
    """
    if not isinstance(spec, DiagnoseSpec):
        spec = DiagnoseSpec.model_validate({"source": "local", **spec})
    tell = tell or Teller()
    device = devices.choose(spec.device)
    found, skipped = _sorted(spec, recipe, task)
    model, task = model.to(device), task.to(device)
    yield tell.started(
        devices.describe(device),
        len(found),
        1.0,
        catalog.load().hash,
        diagnostics=[diagnostic.name() for diagnostic in found],
        skipped=[diagnostic.name() for diagnostic in skipped],
    )
    with evaluating(model):
        view = _view(spec, model, task, recipe, datasets, [peer.to(device) for peer in peers])
        for done, diagnostic in enumerate(found):
            for name, value in _readings(diagnostic, view):
                number = float(value) if isinstance(value, torch.Tensor) else value
                yield tell.measured(done, done / len(found), {name: number})
                if stop():
                    yield tell.finished(done, "cancelled", "stopped as asked")
                    return
            yield tell.measured(done + 1, (done + 1) / len(found), {"progress": float(done + 1)})
    yield tell.finished(len(found))


def _sorted(
    spec: DiagnoseSpec, recipe: TrainSpec, task: Task
) -> tuple[list[Diagnostic], list[Diagnostic]]:
    """What can be measured on the task, and what cannot. LabError("bad_spec") where nothing can."""
    chosen = [Diagnostic.of(choice) for choice in spec.diagnostics]
    looked_at = recipe.model_copy(update={"diagnostics": spec.diagnostics})
    require_sense(looked_at, Model.of(recipe.model), task, "diagnostics")
    found = [diagnostic for diagnostic in chosen if diagnostic.applies(task)]
    if not found:
        raise LabError("bad_spec", f"diagnostics: none of these can be measured on {task.name}")
    return found, [diagnostic for diagnostic in chosen if diagnostic not in found]


def _readings(diagnostic: Diagnostic, view: View) -> Iterator[Reading]:
    """All of a diagnostic's readings, each computed without autograd's tape."""
    try:
        for look in (diagnostic.measure, diagnostic.survey, diagnostic.study):
            with torch.no_grad():
                readings = iter(look(view))
            while True:
                with torch.no_grad():
                    reading = next(readings, None)
                if reading is None:
                    break
                yield reading
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        told = f"{diagnostic.name()}: the network's numbers grow beyond what can be computed with"
        raise LabError("bad_model", told) from error


def _view(
    spec: DiagnoseSpec,
    model: nn.Module,
    task: Task,
    recipe: TrainSpec,
    datasets: Path | None,
    peers: Sequence[nn.Module],
) -> View:
    head = task.train.head(spec.batch_size)
    with torch.no_grad():
        logits = model(head.x)
    return View(
        model=model,
        task=task,
        layers=Layers.of(model),
        x=head.x,
        y=head.y,
        logits=logits,
        input_gradient=input_gradient(model, head.x, head.y),
        generator=torch.Generator().manual_seed(spec.seed),
        initial={
            name: weight.detach().to(head.x.device)
            for name, weight in checkpoint.untrained(recipe, task).named_parameters()
        },
        rate=Optimizer.of(recipe.optimizer).rate(0, 1),
        scale_free=Optimizer.of(recipe.optimizer).scale_free,
        peers=peers,
        datasets=datasets,
        final=True,
    )
