"""The protocol of everything that is measured: it yields names and values and writes nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from worker.contract.measurement import Value
from worker.lab.core.errors import LabError
from worker.lab.core.layers import Layers
from worker.lab.core.registry import Spec
from worker.lab.core.task import Task

Reading = tuple[str, Value | Tensor]
"""A measurement's name and value; a zero-dimensional tensor leaves the device with its batch."""


@dataclass(frozen=True)
class View:
    """What a diagnostic may look at, all of it at the same weights: after `step` updates.

    Of the training batch: inputs, labels, logits (B, K) and, where a diagnostic asked for it, the
    input gradient of each example's cross-entropy (B, *shape). Networks that do something else in
    training than in evaluation are looked at in evaluation. `initial` are the weights at step 0 by
    parameter name, `rate` the learning rate, `scale_free` says whether the optimizer is blind to
    the length of gradients, `peers` are other trained networks to compare with, on the same task,
    `datasets` where other data sets lie. `first` and `final` tell the first and the last view of a
    run.
    """

    model: nn.Module
    task: Task
    layers: Layers
    x: Tensor
    y: Tensor
    logits: Tensor
    input_gradient: Tensor | None
    generator: torch.Generator
    initial: Mapping[str, Tensor] = field(default_factory=dict)
    rate: float = 0.0
    scale_free: bool = False
    peers: Sequence[nn.Module] = ()
    datasets: Path | None = None
    first: bool = False
    final: bool = False

    @cached_property
    def norms(self) -> Tensor:
        """‖W_l‖_F of every weight layer, (L,)."""
        return self.layers.norms()

    @cached_property
    def intrinsic_norm(self) -> Tensor:
        """ν = Π_l ‖W_l‖_F, shortcuts counted as core/layers.py says."""
        return self.layers.intrinsic(self.norms)

    @cached_property
    def reach(self) -> Tensor:
        """What ‖J_f‖₂ cannot exceed, by the Frobenius norms."""
        if self.layers.plain:
            return self.intrinsic_norm * self.layers.constant
        return self.layers.bound(self.norms)

    @cached_property
    def gradient_norms(self) -> Tensor:
        """‖∇ₓ CE‖₂ of every example of the batch, (B,)."""
        assert self.input_gradient is not None, "set needs_input_gradient"
        norms: Tensor = torch.linalg.vector_norm(self.input_gradient.flatten(1), dim=1)
        return norms

    @cached_property
    def mean_gradient(self) -> Tensor:
        """The mean of `gradient_norms`."""
        return self.gradient_norms.mean()

    @cached_property
    def weight_names(self) -> list[str]:
        """The parameter name of every W_l.
        Raises LabError("bad_spec") where a weight is computed from other parameters."""
        names = {id(weight): name for name, weight in self.model.named_parameters()}
        if any(id(weight) not in names for weight in self.layers.weights):
            raise LabError("bad_spec", "a layer's weight is computed from other parameters")
        return [names[id(weight)] for weight in self.layers.weights]

    @cached_property
    def initial_weights(self) -> list[Tensor]:
        """W_l(0) of every weight layer. Raises as `weight_names` does."""
        pairs = zip(self.weight_names, self.layers.weights, strict=True)
        return [self.initial[name].to(weight) for name, weight in pairs]


SUITS: Mapping[str, Callable[[Task, Any], bool]] = {
    "shape": lambda task, shape: task.shape == tuple(shape),
    "classes": lambda task, count: len(task.classes) == count,
    "extras": lambda task, names: set(names) <= task.extras.keys(),
}


class Diagnostic(Spec):
    """Something measured: cheap things with `measure`, dear ones with `survey`, and what may take
    minutes with `study`.

    All are called without autograd's tape, `survey` and `study` in eval mode, and must not touch
    the model, nor generators that training reads.
    """

    kind: ClassVar[str] = "diagnostic"
    unmoved: ClassVar[tuple[str, ...]] = ()
    """Readings that shifts of scale leave alone, by the starts of their names, where `invariant`
    is False because others change."""
    looks: ClassVar[tuple[str, ...]] = ()
    """What `study` costs: products of parameters that add up to the examples sent forward through
    the network, where a way back counts as two. Empty where nothing is known."""
    suits: ClassVar[Mapping[str, Any]] = {}
    """What the data must be: its `shape`, its number of `classes`, the `extras` it carries."""
    needs_input_gradient: ClassVar[bool] = False
    needs_move: ClassVar[bool] = False

    @classmethod
    def facts(cls) -> dict[str, Any]:
        told: dict[str, Any] = {"unmoved": list(cls.unmoved)} if cls.unmoved else {}
        if cls.study is not Diagnostic.study:
            told["studies"] = True
        if cls.looks:
            told["looks"] = list(cls.looks)
        if cls.suits:
            told["suits"] = dict(cls.suits)
        if cls.needs_move:
            told["moves"] = True
        return {**super().facts(), **told}

    def applies(self, task: Task) -> bool:
        """Whether it can be measured on this data at all."""
        return all(SUITS[name](task, wanted) for name, wanted in self.suits.items())

    def measure(self, view: View) -> Iterator[Reading]:
        """The readings of a measured step, from its batch and the weights."""
        return iter(())

    def moved(self, view: View, before: Mapping[str, Tensor]) -> Iterator[Reading]:
        """The readings of what a measured step did to the weights: the model has moved on, and
        `before` are its weights of before by parameter name. Asked only with `needs_move`."""
        return iter(())

    def survey(self, view: View) -> Iterator[Reading]:
        """The readings that need more than the batch, at the pace that their cost allows and at
        the end. There may be no input gradient."""
        return iter(())

    def study(self, view: View) -> Iterator[Reading]:
        """The readings taken once: when training ends, or by a job of its own on a trained
        network. Yields each as soon as it is known, and may yield a name again as it refines."""
        return iter(())
