"""A model's architecture as data: the lab builds the network from it, the backend its cost.

A plan is a tree of layers whose numbers may be small expressions of names: of the model's
parameters, of `classes`, or of `item`, the value that an `each` is at. `width*2`, `blocks-1` and
`item*width` are all the arithmetic there is, with powers, `2^levels`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import mul, sub
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


class BatchNorm(_Layer):
    """By channel, over the batch in training and by running statistics afterwards."""

    op: Literal["batch_norm"] = "batch_norm"


class Relu(_Layer):
    op: Literal["relu"] = "relu"


class MaxPool(_Layer):
    """Windows that do not overlap."""

    op: Literal["max_pool"] = "max_pool"
    size: int | str = 2


class AvgPool(_Layer):
    """The mean of every channel: (C, H, W) to (C,)."""

    op: Literal["avg_pool"] = "avg_pool"


class Flatten(_Layer):
    op: Literal["flatten"] = "flatten"


class Residual(_Layer):
    """x ↦ shortcut(x) + branch(x); an empty shortcut is the identity."""

    op: Literal["residual"] = "residual"
    branch: list[Layer]
    shortcut: list[Layer] = []


class Each(_Layer):
    """The layers once for every value of a list parameter, or so many times as a number says."""

    op: Literal["each"] = "each"
    of: str
    layers: list[Layer]


class When(_Layer):
    """The layers if the parameter `of` is true, or is one of `among`."""

    op: Literal["when"] = "when"
    of: str
    among: list[str] = []
    layers: list[Layer]


Leaf = Linear | Conv | BatchNorm | Relu | MaxPool | AvgPool | Flatten
Layer = Annotated[Leaf | Residual | Each | When, Field(discriminator="op")]
Residual.model_rebuild()
Each.model_rebuild()
When.model_rebuild()

Resolved = Leaf | Residual
"""A layer whose numbers are numbers; `each` and `when` are gone."""


class _Plan(BaseModel):
    layers: list[Layer]


def parse(plan: Sequence[Any]) -> list[Layer]:
    """The layers of a plan in its JSON form."""
    return _Plan(layers=list(plan)).layers


def resolve(plan: Sequence[Layer], values: Mapping[str, Any]) -> list[Resolved]:
    """The layers with every name replaced by its value."""
    flat: list[Resolved] = []
    for layer in plan:
        match layer:
            case Each():
                for item in _items(evaluate(layer.of, values)):
                    flat += resolve(layer.layers, {**values, "item": item})
            case When():
                found = evaluate(layer.of, values)
                wanted = found in layer.among if layer.among else found
                flat += resolve(layer.layers, values) if wanted else []
            case Residual():
                branch, shortcut = (resolve(p, values) for p in (layer.branch, layer.shortcut))
                flat.append(Residual(branch=list(branch), shortcut=list(shortcut)))
            case _:
                flat.append(_with_numbers(layer, values))
    return flat


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {"*": mul, "-": sub, "^": pow}


def evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    """A name's value, or products, powers and differences of names and whole numbers, left to
    right: 2^n*3 is 3 · 2ⁿ."""
    first, *rest = re.split(r"([*^-])", expression)
    found = _atom(first, values)
    for operator, word in zip(rest[::2], rest[1::2], strict=True):
        found = OPERATORS[operator](found, _atom(word, values))
    return found


def _atom(word: str, values: Mapping[str, Any]) -> Any:
    return int(word) if word.isdigit() else values[word]


def _items(of: Any) -> Sequence[Any]:
    return range(of) if isinstance(of, int) else of


def _with_numbers(layer: Leaf, values: Mapping[str, Any]) -> Leaf:
    found = {
        key: evaluate(value, values) if isinstance(value, str) and key != "op" else value
        for key, value in layer.model_dump().items()
    }
    return type(layer).model_validate(found)


def leaves(layers: Iterable[Resolved]) -> Iterator[Leaf]:
    """Every layer of a tree, in the order of a forward pass."""
    for layer in layers:
        if isinstance(layer, Residual):
            yield from leaves([*_tree(layer.branch), *_tree(layer.shortcut)])
        else:
            yield layer


def paths(layers: Sequence[Resolved]) -> Iterator[list[Resolved]]:
    """Every chain of a tree: the whole, and the branches and shortcuts in it."""
    yield list(layers)
    for layer in layers:
        if isinstance(layer, Residual):
            yield from paths(_tree(layer.branch))
            yield from paths(_tree(layer.shortcut))


@dataclass(frozen=True)
class Cost:
    """Of one forward pass of one example; memory counts what backward must keep."""

    parameters: int
    macs: int
    activations: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.parameters + other.parameters,
            self.macs + other.macs,
            self.activations + other.activations,
        )


def walk(layers: Sequence[Resolved], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The shape after each layer, from an example's `shape`; PlanError where one does not fit."""
    shapes = []
    for layer in layers:
        shape = _after(layer, shape)
        shapes.append(shape)
    return shapes


def cost(layers: Sequence[Resolved], shape: tuple[int, ...]) -> Cost:
    """Parameters, multiply-adds and activations of the network on examples of `shape`."""
    total = Cost(0, 0, 0)
    for layer, after in zip(layers, walk(layers, shape), strict=True):
        total += _cost(layer, shape, after)
        shape = after
    return total


def _cost(layer: Resolved, shape: tuple[int, ...], after: tuple[int, ...]) -> Cost:
    match layer:
        case Linear() | Conv():
            fan_in = shape[0] * (int(layer.kernel) ** 2 if isinstance(layer, Conv) else 1)
            parameters = int(layer.out) * (fan_in + bool(layer.bias))
            return Cost(parameters, math.prod(after) * fan_in, math.prod(after))
        case BatchNorm():
            return Cost(2 * shape[0], 0, math.prod(after))
        case Residual():
            return cost(_tree(layer.branch), shape) + cost(_tree(layer.shortcut), shape)
    return Cost(0, 0, math.prod(after))


def normalises_numbers(layers: Sequence[Resolved], shape: tuple[int, ...]) -> bool:
    """Whether a batch normalisation sees a single number a channel of each example."""
    for layer, after in zip(layers, walk(layers, shape), strict=True):
        if isinstance(layer, BatchNorm) and math.prod(shape[1:]) == 1:
            return True
        if isinstance(layer, Residual) and any(
            normalises_numbers(_tree(way), shape) for way in (layer.branch, layer.shortcut)
        ):
            return True
        shape = after
    return False


def _tree(layers: Sequence[Layer]) -> list[Resolved]:
    """Of a resolved residual: the same layers, known to be resolved."""
    return [layer for layer in layers if not isinstance(layer, Each | When)]


def _after(layer: Resolved, shape: tuple[int, ...]) -> tuple[int, ...]:
    if isinstance(layer, Relu | BatchNorm):
        return shape
    if isinstance(layer, Residual):
        return _joined(layer, shape)
    if isinstance(layer, Flatten):
        return (math.prod(shape),)
    if isinstance(layer, Linear):
        if len(shape) != 1:
            raise PlanError("a linear layer needs a flatten before it")
        return (int(layer.out),)
    if len(shape) != 3:
        raise PlanError("this model needs images; the data set has points")
    channels, *sides = shape
    if isinstance(layer, AvgPool):
        return (channels,)
    if isinstance(layer, Conv):
        channels = int(layer.out)
        reach, stride = 2 * int(layer.padding) - int(layer.kernel), int(layer.stride)
        sides = [(side + reach) // stride + 1 for side in sides]
    else:
        sides = [side // int(layer.size) for side in sides]
    if min(sides) < 1:
        raise PlanError("the images are too small for so many layers that shrink them")
    return (channels, *sides)


def _joined(layer: Residual, shape: tuple[int, ...]) -> tuple[int, ...]:
    ends = [
        walk(_tree(path), shape)[-1] if path else shape for path in (layer.branch, layer.shortcut)
    ]
    if ends[0] != ends[1]:
        raise PlanError(f"a branch gives {ends[0]} where its shortcut gives {ends[1]}")
    return ends[0]
