"""The sum of what the methods of a run ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add

import torch
from torch import Tensor, nn

from worker.lab.core.errors import LabError
from worker.lab.core.group import Part
from worker.lab.core.layers import Layers
from worker.lab.core.method import Method
from worker.lab.core.penalty import Penalty, settle
from worker.lab.core.point import Point
from worker.lab.core.step import Step
from worker.lab.core.task import Task

Terms = dict[str, Tensor | float]
"""Losses by name, off the tape: one an example, (B,), or one number."""

Roots = list[tuple[Tensor | Penalty, Tensor | None]]

PREFIX = "train/loss/"


class Losses:
    """Sorts methods by what they define, so that a step calls only that."""

    def __init__(self, methods: Sequence[Method]) -> None:
        self._movers = _defining(methods, Method.perturb)
        self._data = _defining(methods, Method.data_loss)
        self._weight = _defining(methods, Method.weight_loss)
        self._closed = _defining(methods, Method.penalties)
        self._projectors = _defining(methods, Method.project)
        self._finishers = _defining(methods, Method.finish)
        self._layers: Layers | None = None
        self._shares: dict[tuple[int, int], Tensor] = {}
        if not self._data:
            raise LabError("bad_spec", "no method looks at the data; add cross_entropy")

    @property
    def plain(self) -> bool:
        """Whether the data loss is exactly the mean cross-entropy at the clean point."""
        return not self._movers and [method.cross_entropy for method in self._data] == [True]

    def terms(self, step: Step) -> tuple[Roots, Terms]:
        """Where backward starts, and the detached losses, (B,) or scalar, by measurement name.

        The training loss is the sum over methods of batch means and weight losses; its graph is
        never built: backward starts from the parts, with 1/B for each example of a data loss.
        """
        for method in self._movers:
            step.move(method.perturb(step, self._objective(step)))
        roots: Roots = []
        parts: dict[str, dict[str, Tensor | Penalty]] = {}
        for method in self._data:
            found = method.data_loss(step)
            roots += [(loss, self._share(loss, step.part)) for loss in found.values()]
            parts[method.name()] = {**found}
        for method, of_weights in self._of_weights(step):
            if step.part is None or step.part.first == 0:  # once, whoever shares the batch
                roots += [(loss, None) for loss in of_weights.values()]
            parts.setdefault(method.name(), {}).update(of_weights)
        return roots, _named(parts)

    def _of_weights(self, step: Step) -> Iterator[tuple[Method, Mapping[str, Tensor | Penalty]]]:
        for method in self._weight:
            yield method, method.weight_loss(step.model, step.task)
        for method in self._closed:
            yield method, method.penalties(self._layers_of(step.model))

    def _layers_of(self, model: nn.Module) -> Layers:
        """Found once: methods change no modules once they have prepared the network."""
        if self._layers is None or self._layers.model is not model:
            self._layers = Layers.of(model)
        return self._layers

    def _share(self, loss: Tensor, part: Part | None) -> Tensor:
        """1/B for every example: a vector a batch size, made once."""
        size = len(loss) if part is None else part.whole
        known = self._shares.get((len(loss), size))
        if known is None or known.device != loss.device or known.dtype != loss.dtype:
            known = self._shares[len(loss), size] = torch.full_like(loss, 1 / size).detach()
        return known

    def project(self, model: nn.Module, step: Step) -> None:
        for method in self._projectors:
            with torch.no_grad():
                method.project(model, step)

    def finish(self, model: nn.Module, task: Task) -> None:
        for method in self._finishers:
            with torch.no_grad():
                method.finish(model, task)

    def _objective(self, step: Step) -> Callable[[Point], Tensor]:
        def objective(point: Point) -> Tensor:
            moved = replace(step, point=point, ahead=True, _logits=None)
            losses = [loss for m in self._data for loss in m.data_loss(moved).values()]
            return torch.stack(losses).sum(0)

        return objective


def backward(roots: Roots) -> None:
    """Leave the gradients of the sum of `roots` in the weights' `grad`."""
    closed: list[Penalty] = []
    losses: list[Tensor] = []
    outers: list[Tensor | None] = []
    for root, outer in roots:
        if isinstance(root, Penalty) and root.settles:
            closed.append(root)
        else:
            losses.append(root if isinstance(root, Tensor) else root.loss())
            outers.append(outer)
    torch.autograd.backward(losses, outers)
    settle(closed)


def detached(loss: Tensor | Penalty) -> Tensor | float:
    """Off the tape; of a penalty its number, since a tensor of one takes longer to make."""
    return loss.value if isinstance(loss, Penalty) else loss.detach()


def _defining(methods: Sequence[Method], hook: Callable[..., object]) -> list[Method]:
    """The methods that define a hook themselves."""
    return [m for m in methods if getattr(type(m), hook.__name__) is not hook]


def _named(parts: dict[str, dict[str, Tensor | Penalty]]) -> Terms:
    """Each method's loss under its name; several are told apart, and summed."""
    terms: Terms = {}
    for method, found in parts.items():
        name, losses = f"{PREFIX}{method}", [detached(loss) for loss in found.values()]
        if losses:
            terms[name] = reduce(add, losses)
        if len(losses) > 1:
            terms |= {f"{name}/{part}": loss for part, loss in zip(found, losses, strict=True)}
    return terms
