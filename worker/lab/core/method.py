"""The protocol that hosts every training method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor, nn

from worker.lab.core.layers import Layers
from worker.lab.core.penalty import Penalty
from worker.lab.core.point import Point
from worker.lab.core.registry import Spec
from worker.lab.core.step import Step
from worker.lab.core.task import Task

Objective = Callable[[Point], Tensor]
"""The summed data loss of all methods as a function of the point, per example: (B,)."""


class Method(Spec):
    """An idea about training: which of five things it does is which of five methods it defines."""

    kind: ClassVar[str] = "method"
    cross_entropy: ClassVar[bool] = False
    """Whether `data_loss` is just each example's cross-entropy at the step's point: if no other
    method adds to it or moves the point, input gradients come from the training pass itself."""

    learns: ClassVar[bool] = False
    """Whether `data_loss` is a loss to learn by itself, cross-entropy or what stands in its
    place: a run has exactly one such method."""

    parts: ClassVar[bool] = False
    """Whether processes may share a batch: what it asks of the data is each example's own, and the
    rest a function of the weights; it draws nothing."""

    off: ClassVar[dict[str, object]] = {}
    """Parameters with which it leaves training as it is; `strength` 0 where there is one."""

    passes: ClassVar[tuple[str, ...]] = ()
    """Passes forward and back beside those of a plain step: products of parameters, added up. A
    list counts as its length, an attack as its own passes."""

    @classmethod
    def facts(cls) -> dict[str, Any]:
        told = {"learns": cls.learns, "parts": cls.parts, "passes": list(cls.passes)}
        return {name: value for name, value in told.items() if value}

    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        """Before training: swap layers or wrap. May refuse with LabError("bad_spec", reason)."""
        return model

    def perturb(self, step: Step, objective: Objective) -> Point:
        """Where to take the losses: move x, w or both."""
        return step.point

    def data_loss(self, step: Step) -> dict[str, Tensor]:
        """Per-example losses (B,) by name, at the step's point."""
        return {}

    def weight_loss(self, model: nn.Module, task: Task) -> dict[str, Tensor]:
        """Scalar losses by name, at the model's own weights."""
        return {name: known.loss() for name, known in self.penalties(Layers.of(model)).items()}

    def penalties(self, layers: Layers) -> dict[str, Penalty]:
        """In place of `weight_loss`: those on weight layers with gradients in closed form."""
        return {}

    def project(self, model: nn.Module, step: Step) -> None:
        """After the optimizer: put the weights where they should be, in place. Parameters still
        hold the gradients of the step."""

    def finish(self, model: nn.Module, task: Task) -> None:
        """Once training has ended: bring in order what it left undone, such as statistics."""
