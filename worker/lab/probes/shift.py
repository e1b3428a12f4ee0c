"""The same function at other weights, and what every measure makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from worker.contract.measurement import Curve, Table, Value, number
from worker.lab.core.layers import Layers
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.shift import free_layers, shift
from worker.lab.core.task import Split
from worker.lab.methods.lp import Lp
from worker.lab.methods.weissi import Weissi

Measure = Callable[[nn.Module, Subject, Split], float]
SAME = 1e-4
"""Relative change below which a measure counts as left alone; rounding is about 1e-6."""


class Shift(Probe):
    """Scale moved between layers, the function kept: what changes and what does not.

    Layer l is multiplied by 2^log2[l] with the cumulative rule for biases; the layer that closes a
    chain gets whatever keeps the function (core/shift.py). `change` is the largest change of any
    logit on the first `examples` test inputs, `logits` the largest logit, so that rounding can be
    told from change. `factors` are the multipliers used, `free` which of them could be chosen.
    `measures` compares measures before and after, `norms` the layers' norms.
    """

    title: ClassVar[str] = "Scale shift"
    paper: ClassVar[str] = "arXiv:2008.02965"

    log2: list[Annotated[float, Field(ge=-10, le=10)]] = Field(
        [], max_length=256, description="exponent of 2 for each layer; missing ones are 0"
    )
    examples: Annotated[int, Field(ge=1, le=1000)] = Field(
        100, description="test inputs on which the function is compared"
    )

    def answer(self, subject: Subject, generator: torch.Generator) -> dict[str, Value]:
        layers = Layers.of(subject.model)
        shifted = shift(subject.model, self.factors(len(layers.modules)))
        head = subject.task.test.head(self.examples)
        with torch.no_grad():
            before, after = subject.model(head.x), shifted.model(head.x)
        norms = layers.norms(), Layers.of(shifted.model).norms()
        return {
            "change": float((after - before).abs().max()),
            "logits": float(before.abs().max()),
            "factors": Table(
                columns={
                    "layer": list(layers.names),
                    "factor": [number(factor) for factor in shifted.factors],
                    "free": list(free_layers(subject.model)),
                }
            ),
            "measures": _compared(subject, shifted.model, head),
            "norms/before": _by_layer(norms[0]),
            "norms/after": _by_layer(norms[1]),
        }

    def factors(self, count: int) -> list[float]:
        """The multiplier asked for of each of `count` layers."""
        asked = [2.0**exponent for exponent in self.log2[:count]]
        return [*asked, *[1.0] * (count - len(asked))]


def _by_layer(norms: Tensor) -> Curve:
    return Curve(
        x=list(range(1, len(norms) + 1)),
        y=[number(norm) for norm in norms.tolist()],
        x_label="layer",
        y_label="‖W‖ (Frobenius)",
    )


def _compared(subject: Subject, shifted: nn.Module, head: Split) -> Table:
    rows = []
    for name, measure in MEASURES.items():
        was, now = (measure(model, subject, head) for model in (subject.model, shifted))
        same = abs(now - was) <= SAME * max(abs(was), 1e-12)
        rows.append((name, number(was), number(now), same))
    names = ("measure", "before", "after", "invariant")
    columns = zip(*rows, strict=True)
    return Table(columns={name: list(c) for name, c in zip(names, columns, strict=True)})


def _penalty(method: Lp | Weissi) -> Measure:
    def measure(model: nn.Module, subject: Subject, head: Split) -> float:
        with torch.no_grad():
            return float(sum(method.weight_loss(model, subject.task).values()))

    return measure


def _intrinsic(model: nn.Module, subject: Subject, head: Split) -> float:
    layers = Layers.of(model)
    return float(layers.intrinsic(layers.norms()))


def _spectral(model: nn.Module, subject: Subject, head: Split) -> float:
    layers = Layers.of(model)
    with torch.no_grad():
        found = [torch.linalg.matrix_norm(w.flatten(1), 2) for w in layers.folded]
        return float(layers.intrinsic(torch.stack(found)))


def _gradient(model: nn.Module, subject: Subject, head: Split) -> float:
    with torch.enable_grad():
        x = head.x.detach().requires_grad_()
        loss = F.cross_entropy(model(x), head.y, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
    return float(gradient.flatten(1).norm(dim=1).mean())


def _sharpness(model: nn.Module, subject: Subject, head: Split) -> float:
    """SAM's: the rise of the loss after a step of length 0.05 up its gradient."""
    weights = dict(model.named_parameters())
    with torch.enable_grad():
        leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        loss = F.cross_entropy(torch.func.functional_call(model, leaves, (head.x,)), head.y)
        found = torch.autograd.grad(loss, list(leaves.values()))
    length = torch.stack([gradient.norm() for gradient in found]).norm().clamp_min(1e-30)
    with torch.no_grad():
        pairs = zip(leaves.items(), found, strict=True)
        there = {name: weight + 0.05 * g / length for (name, weight), g in pairs}
        up = F.cross_entropy(torch.func.functional_call(model, there, (head.x,)), head.y)
    return float(up - loss.detach())


MEASURES: dict[str, Measure] = {
    "weight decay, ½ Σ ‖W‖²": _penalty(Lp(strength=1)),
    "L1 penalty, Σ ‖W‖₁": _penalty(Lp(strength=1, p=1, q=1)),
    "WEISSI, Σ log ‖W‖": _penalty(Weissi(strength=1, floor=0)),
    "WEISSI, ∏ ‖W‖ over its start": _penalty(Weissi(strength=1, form="product", floor=0)),
    "intrinsic norm, ∏ ‖W‖": _intrinsic,
    "spectral product, ∏ ‖W‖₂": _spectral,
    "input gradient, mean ‖∇ₓ CE‖": _gradient,
    "SAM sharpness, ρ = 0.05": _sharpness,
}
