"""A model's architecture as data: the lab builds the network from it, the backend its cost.

A plan is a list of layers whose numbers may be names: of the model's parameters, of `classes`, or
of `item`, the value of the list that an `each` walks through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class PlanError(ValueError):
    """The plan does not fit the data, such as a convolution on points."""


class _Layer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Linear(_Layer):
    op: Literal["linear"] = "linear"
    out: int | str
    bias: bool | str = True


class Conv(_Layer):
    """A square kernel with zero padding."""

    op: Literal["conv"] = "conv"
    out: int | str
    kernel: int | str = 3
    stride: int | str = 1
    padding: int | str = 1
    bias: bool | str = True


class Relu(_Layer):
    op: Literal["relu"] = "relu"


class MaxPool(_Layer):
    """Windows that do not overlap."""

    op: Literal["max_pool"] = "max_pool"
    size: int | str = 2


class Flatten(_Layer):
    op: Literal["flatten"] = "flatten"


class Each(_Layer):
    """The layers once for every value of the list parameter `of`."""

    op: Literal["each"] = "each"
    of: str
    layers: list[Layer]


Layer = Annotated[Linear | Conv | Relu | MaxPool | Flatten | Each, Field(discriminator="op")]
Each.model_rebuild()

Resolved = Linear | Conv | Relu | MaxPool | Flatten
"""A layer whose numbers are numbers."""


class _Plan(BaseModel):
    layers: list[Layer]


def parse(plan: Sequence[Any]) -> list[Layer]:
    """The layers of a plan in its JSON form."""
    return _Plan(layers=list(plan)).layers


def resolve(plan: Sequence[Layer], values: Mapping[str, Any]) -> list[Resolved]:
    """The flat list of layers with every name replaced by its value."""
    flat: list[Resolved] = []
    for layer in plan:
        if isinstance(layer, Each):
            for item in values[layer.of]:
                flat += resolve(layer.layers, {**values, "item": item})
        else:
            found = {
                key: values[value] if isinstance(value, str) and key != "op" else value
                for key, value in layer.model_dump().items()
            }
            flat.append(type(layer).model_validate(found))
    return flat


@dataclass(frozen=True)
class Cost:
    """Of one forward pass of one example; memory counts what backward must keep."""

    parameters: int
    macs: int
    activations: int


def walk(layers: Sequence[Resolved], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shape after each layer, from an example's `shape`; PlanError where one does not fit."""
    shapes = []
    for layer in layers:
        shape = _after(layer, shape)
        shapes.append(shape)
    return shapes


def cost(layers: Sequence[Resolved], shape: tuple[int, ...]) -> Cost:
    """Parameters, multiply-adds and activations of the network on examples of `shape`."""
    parameters = macs = activations = 0
    for layer, after in zip(layers, walk(layers, shape), strict=True):
        if isinstance(layer, Linear | Conv):
            fan_in = shape[0] * (int(layer.kernel) ** 2 if isinstance(layer, Conv) else 1)
            parameters += int(layer.out) * (fan_in + bool(layer.bias))
            macs += math.prod(after) * fan_in
        activations += math.prod(after)
        shape = after
    return Cost(parameters, macs, activations)


def _after(layer: Resolved, shape: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(layer, Relu):
        return shape
    if isinstance(layer, Flatten):
        return (math.prod(shape),)
    if isinstance(layer, Linear):
        if len(shape) != 1:
            raise PlanError("a linear layer needs a flatten before it")
        return (int(layer.out),)
    if len(shape) != 3:
        raise PlanError("this model needs images; the data set has points")
    channels, *sides = shape
    if isinstance(layer, Conv):
        channels = int(layer.out)
        reach, stride = 2 * int(layer.padding) - int(layer.kernel), int(layer.stride)
        sides = [(side + reach) // stride + 1 for side in sides]
    else:
        sides = [side // int(layer.size) for side in sides]
    if min(sides) < 1:
        raise PlanError("the images are too small for so many layers that shrink them")
    return (channels, *sides)
