"""Weights in front of batch normalisation, put back to a fixed norm."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.lab.core.errors import LabError
from worker.lab.core.layers import BatchNorm, Layers, Weighted
from worker.lab.core.method import Method
from worker.lab.core.step import Step
from worker.lab.core.task import Task

TINY = 1e-12
POWERS = {"momentum_buffer": 1, "exp_avg": 1, "exp_avg_sq": 2}
"""How what an optimizer remembers grows with the gradient."""


class WeightRescaling(Method):
    """Put weights before batch normalisation back to a fixed norm, in place of weight decay.

    w ← (c / ‖w‖₂) w at the start and after every `every` steps of the optimizer, w being the
    weights of a filter (one output of a linear layer or convolution) or of a whole layer. Which
    layers: those that the network's graph shows to be followed at once by batch normalisation.
    The unit norm is the paper's; the rest is derived here, for its text was not available.

    Batch normalisation makes such a layer's function blind to the scale of w, so a rescale changes
    nothing at once; its running statistics move along, so that nothing changes in evaluation
    either, up to its ε. What changes is the speed: u = w / ‖w‖ moves at the effective learning
    rate lr / ‖w‖². Without decay ‖w‖ only grows, ‖w_t‖⁴ ≈ ‖w_0‖⁴ + 2 lr² G t (G: squared length of
    the gradient at unit norm; with momentum μ read lr / (1 − μ) for lr² · 1 / (1 − μ)² ), and the
    angle a step fades. Weight decay λ settles at √(2 lr λ / (1 + μ)) radians a step; rescaling at
    every step has the same angle with lr' = √(2 lr λ (1 − μ) / G).

    After w ← w / s gradients are s times longer. `buffers`: left as they are, so that old steps
    weigh s times less; or scaled by s (the square of AdamW by s²) to fit the new length. They
    differ where many steps lie between. See `effective_learning_rate` and `step_angle`.

    Measured on MNIST (10,000 images, MLP with batch normalisation, five epochs of SGD, one seed):
    useful with learning rates from 0.1 to 0.3 (96.7 % right at 0.3, 95.2 % at 0.01).
    """

    title: ClassVar[str] = "Weight rescaling (WRS)"
    paper: ClassVar[str] = "arXiv:2102.03497"
    invariant: ClassVar[bool | None] = True
    needs: ClassVar[tuple[str, ...]] = ("batch_norm",)

    per: Literal["filter", "layer"] = Field("filter", description="whose norm is fixed")
    norm: Literal["unit", "initial"] = Field(
        "unit", description="unit: 1 a filter, in root mean square for layers; or as at the start"
    )
    every: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        1, description="steps from one rescale to the next; 0: once an epoch"
    )
    buffers: Literal["left", "scaled"] = Field(
        "left", description="the optimizer's memory at a rescale"
    )

    @torch.no_grad()
    def prepare(self, model: nn.Module, task: Task) -> nn.Module:
        found = _invariant(model)
        if not found:
            raise LabError("bad_spec", "no layer is followed by batch normalisation")
        for layer, fold in found:
            # a buffer, so that a checkpoint holds it
            layer.register_buffer("kept_norm", self._target(layer.weight))
            self._rescale(layer, fold, None)
        return model

    def project(self, model: nn.Module, step: Step) -> None:
        if (step.index + 1) % (self.every or step.epoch) == 0:
            for layer, fold in _invariant(model):
                self._rescale(layer, fold, step.optimizer)

    def _norms(self, weight: Tensor) -> Tensor:
        """Of the filters, (out,), or of the layer, (1,)."""
        rows = weight.flatten(1) if self.per == "filter" else weight.view(1, -1)
        norms: Tensor = torch.linalg.vector_norm(rows, dim=1)
        return norms

    def _target(self, weight: Tensor) -> Tensor:
        norms = self._norms(weight)
        unit = 1.0 if self.per == "filter" else math.sqrt(len(weight))
        return torch.full_like(norms, unit) if self.norm == "unit" else norms.clone()

    def _rescale(
        self, layer: Weighted, fold: BatchNorm, optimizer: torch.optim.Optimizer | None
    ) -> None:
        kept = layer.get_buffer("kept_norm")
        factor = (kept / self._norms(layer.weight).clamp_min(TINY)).expand(len(layer.weight))
        wide = factor.view(-1, *[1] * (layer.weight.dim() - 1))
        layer.weight.mul_(wide)
        _follow(fold, factor, layer.bias)
        if optimizer is not None and self.buffers == "scaled":
            memory = optimizer.state.get(layer.weight, {})
            for name, power in POWERS.items():
                if isinstance(memory.get(name), Tensor):
                    memory[name].div_(wide**power)


def _invariant(model: nn.Module) -> list[tuple[Weighted, BatchNorm]]:
    layers = Layers.of(model)
    pairs = zip(layers.modules, layers.folds, strict=True)
    return [(layer, fold) for layer, fold in pairs if fold is not None]


def _follow(fold: BatchNorm, factor: Tensor, bias: Tensor | None) -> None:
    """The statistics of factor · u + bias, from those of u + bias."""
    if fold.running_mean is not None and fold.running_var is not None:
        shift = 0.0 if bias is None else bias
        fold.running_mean.sub_(shift).mul_(factor).add_(shift)
        fold.running_var.mul_(factor.square())
