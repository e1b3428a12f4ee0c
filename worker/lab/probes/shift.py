"""The same function at other weights, and what every measure makes of it."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from worker.contract.measurement import Curve, Table, Value, number
from worker.lab.core.layers import Layers
from worker.lab.core.probe import Probe, Subject
from worker.lab.core.shift import factors, free_layers, shift
from worker.lab.core.task import Split
from worker.lab.measures import MEASURES

SAME = 1e-4
"""Relative change below which a measure counts as left alone; rounding is about 1e-6."""


class Shift(Probe):
    """Scale moved between layers, the function kept: what changes and what does not.

    Layer l is multiplied by 2^log2[l] with the cumulative rule for biases; the layer that closes a
    chain gets whatever keeps the function (core/shift.py). `change` is the largest change of any
    logit on the first `examples` test inputs, `logits` the largest logit, so that rounding can be
    told from change. `factors` are the multipliers used, `free` which of them could be chosen.
    `measures` compares measures before and after and says what each is taken on, `norms` the
    layers' norms. LabError("bad_spec") for exponents that no layer can take.
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
        shifted = shift(subject.model, factors(subject.model, self.log2))
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
        was, now = (measure.of(model, subject.task, head) for model in (subject.model, shifted))
        same = abs(now - was) <= SAME * max(abs(was), 1e-12)
        on = f"the first {len(head)} test examples" if measure.sees else "the weights"
        rows.append((name, number(was), number(now), same, on))
    names = ("measure", "before", "after", "invariant", "on")
    columns = zip(*rows, strict=True)
    return Table(columns={name: list(c) for name, c in zip(names, columns, strict=True)})
