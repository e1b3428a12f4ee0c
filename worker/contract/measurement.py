"""What a measurement can be: a number, or one of a few shapes, each with one renderer."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float | Literal["nan", "inf", "-inf"]


class Shape(BaseModel):
    """A measurement that is more than one number: an object of arrays."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Curve(Shape):
    """y against x, with an optional interval (low, high) about y."""

    shape: Literal["curve"] = "curve"
    x: list[Number]
    y: list[Number]
    x_label: str
    y_label: str
    low: list[Number] | None = None
    high: list[Number] | None = None


class Histogram(Shape):
    """Counts between consecutive edges (one edge more than counts)."""

    shape: Literal["histogram"] = "histogram"
    edges: list[Number]
    counts: list[Number]
    label: str


class Surface(Shape):
    """z over a grid: ``z[row][column]`` at ``y[row]``, ``x[column]``."""

    shape: Literal["surface"] = "surface"
    x: list[Number]
    y: list[Number]
    z: list[list[Number]]
    x_label: str
    y_label: str
    z_label: str


class Table(Shape):
    """Columns of equal length, by name."""

    shape: Literal["table"] = "table"
    columns: dict[str, list[Number | str | bool | None]]


class Images(Shape):
    """Rows of small pictures: ``groups[name][i]`` is picture i, flat, row by row, channels last.

    Values are 0 to 255. A signed group (a perturbation) is centred on 127.5 and ``scale`` tells
    which value in input units the ends stand for.
    """

    shape: Literal["images"] = "images"
    height: int
    width: int
    channels: int
    groups: dict[str, list[list[int]]]
    scale: dict[str, float]
    captions: dict[str, list[str]]


Shaped = Annotated[Curve | Histogram | Surface | Table | Images, Field(discriminator="shape")]
Value = float | Curve | Histogram | Surface | Table | Images


def number(value: float) -> Number:
    """The JSON form of a float: itself, or "nan", "inf", "-inf"."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def encoded(value: Value) -> Any:
    """The JSON form of any measurement's value."""
    return value.model_dump(exclude_none=True) if isinstance(value, Shape) else number(value)


def shape_of(value: Any) -> str:
    """ "scalar", or the shape's name, of a value in its JSON form."""
    return str(value["shape"]) if isinstance(value, dict) else "scalar"
