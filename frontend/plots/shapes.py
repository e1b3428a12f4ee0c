"""Measurements that are more than one number: curve, histogram, surface, table of points."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from frontend.plots.theme import CYCLE, Theme, axis, color, figure, nth

ACCURACY = ".0%"


def finite(values: Sequence[Any] | None) -> list[float | None]:
    """Numbers of REST: what is not finite becomes a gap."""
    read = [float(value) for value in values or []]
    return [value if math.isfinite(value) else None for value in read]


@dataclass(frozen=True)
class Curve:
    """One curve of a plot: its REST value and how it is drawn; `series` names it to scripts."""

    value: Mapping[str, Any]
    label: str
    color: str
    dash: str = "solid"
    marker: str = "circle"
    series: str = ""


def curves(
    look: Theme,
    drawn: Sequence[Curve],
    *,
    x_title: str = "",
    y_title: str = "",
    percent: bool = False,
    clean: float | None = None,
) -> go.Figure:
    """Curves with their intervals as bands; `clean` marks the accuracy without an attack."""
    first: Mapping[str, Any] = drawn[0].value if drawn else {}
    traces: list[Any] = []
    for curve in drawn:
        traces += [*_band(look, curve), _curve(look, curve, percent)]
    yaxis = axis(look, y_title or str(first.get("y_label", "")))
    if percent:
        yaxis |= {"tickformat": ACCURACY, "range": [-0.03, 1.04]}
    xaxis = axis(look, x_title or str(first.get("x_label", "")))
    shown = figure(look, traces, xaxis=xaxis, yaxis=yaxis, showlegend=len(drawn) > 1)
    shown.layout.meta = {"kind": "curves"}
    if clean is not None:
        shown.add_hline(clean, line={"color": look.grey, "dash": "dot", "width": 1.2})
        said = f"without an attack {100 * clean:.1f} %"
        words = {"text": said, "showarrow": False, "x": 1, "y": clean}
        place = {"xref": "paper", "xanchor": "right", "yanchor": "bottom"}
        shown.add_annotation(**words, **place, font={"size": 11.5, "color": look.soft})
    return shown


def _curve(look: Theme, curve: Curve, percent: bool) -> go.Scatter:
    shown = color(look, curve.color)
    return go.Scatter(
        x=finite(curve.value["x"]),
        y=finite(curve.value["y"]),
        name=curve.label,
        mode="lines+markers",
        line={"color": shown, "dash": curve.dash, "width": 1.8},
        marker={"color": shown, "symbol": curve.marker, "size": 6},
        hovertemplate="%{y:.1%}" if percent else "%{y:.4~g}",
        legendgroup=curve.label,
        meta={"series": curve.series, "role": "curve"},
    )


def _band(look: Theme, curve: Curve) -> list[go.Scatter]:
    """The interval about a curve, one closed outline around it."""
    low, high = curve.value.get("low"), curve.value.get("high")
    if not low or not high:
        return []
    x = finite(curve.value["x"])
    return [
        go.Scatter(
            x=[*x, *reversed(x)],
            y=[*finite(high), *reversed(finite(low))],
            fill="toself",
            fillcolor=color(look, f"{curve.color}_wash"),
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
            showlegend=False,
            legendgroup=curve.label,
            name=f"{curve.label}, interval",
            meta={"series": curve.series, "role": "band"},
        )
    ]


def histogram(look: Theme, value: Mapping[str, Any], series: str = "") -> go.Figure:
    """Counts as bars as wide as their bins."""
    edges = [float(edge) for edge in value["edges"]]
    pairs = list(itertools.pairwise(edges))
    bars = go.Bar(
        x=[(low + high) / 2 for low, high in pairs],
        width=[high - low for low, high in pairs],
        y=finite(value["counts"]),
        marker={"color": look.blue, "line": {"width": 0}},
        name="count",
        hovertemplate="%{y}<extra></extra>",
        meta={"series": series, "role": "histogram"},
    )
    y = axis(look, "count", rangemode="tozero")
    return figure(look, [bars], xaxis=axis(look, str(value["label"])), yaxis=y, bargap=0.02)


def surface(look: Theme, value: Mapping[str, Any], series: str = "") -> go.Figure:
    """A height over a grid, as colour with its scale beside it."""
    scale = [[0, look.paper], [0.5, look.sky], [1, look.blue]]
    heat = go.Heatmap(
        x=finite(value["x"]),
        y=finite(value["y"]),
        z=[finite(row) for row in value["z"]],
        colorscale=scale,
        colorbar={
            "title": {"text": str(value["z_label"]), "side": "right"},
            "thickness": 10,
            "outlinewidth": 0,
        },
        hovertemplate="%{x:.3g}, %{y:.3g}: %{z:.3~g}<extra></extra>",
        meta={"series": series, "role": "surface"},
    )
    return figure(
        look,
        [heat],
        xaxis=axis(look, str(value["x_label"]), showgrid=False),
        yaxis=axis(look, str(value["y_label"]), showgrid=False),
        hovermode="closest",
    )


def regions(
    look: Theme,
    surface: Mapping[str, Any],
    points: Mapping[str, Any] | None,
    series: tuple[str, str] = ("", ""),
) -> go.Figure:
    """The class that a network predicts over the square of its two inputs, and the data."""
    columns = dict(points["columns"]) if points else {}
    names = sorted({str(name) for name in columns.get("class", [])}, key=_natural)
    label = str(surface.get("z_label", ""))
    share = label.startswith("p(")
    if share:  # the second class is the one whose probability is drawn
        names.sort(key=lambda name: label == f"p({name})")
    most = int(max((float(z) for row in surface["z"] for z in row), default=0))
    classes = 2 if share else max(1 + most, len(names), 2)
    traces: list[Any] = [_tints(look, surface, classes, series[0], share=share)]
    traces += _clouds(look, columns, names, series[1])
    square = {"showgrid": False, "constrain": "domain", "range": [0, 1]}
    return figure(
        look,
        traces,
        xaxis=axis(look, str(surface.get("x_label") or "first input"), **square),
        yaxis=axis(look, str(surface.get("y_label") or "second input"), scaleanchor="x", **square),
        hovermode="closest",
        meta={"kind": "regions"},
    )


def _tints(
    look: Theme, surface: Mapping[str, Any], classes: int, series: str, *, share: bool
) -> go.Heatmap:
    """Each class's region in a pale shade of the colour of its points; with two classes the shade
    fades towards even odds."""
    shades = [color(look, f"{CYCLE[index % len(CYCLE)]}_wash") for index in range(classes)]
    steps: list[list[Any]] = []
    for index, shade in enumerate(shades):
        steps += [[index / classes, shade], [(index + 1) / classes, shade]]
    fading = [[0, shades[0]], [0.5, look.paper], [1, shades[1]]]
    said = f"{surface['z_label']} = %{{z:.2f}}" if share else "predicted class %{z}"
    return go.Heatmap(
        x=finite(surface["x"]),
        y=finite(surface["y"]),
        z=[finite(row) for row in surface["z"]],
        zmin=0 if share else -0.5,
        zmax=1 if share else classes - 0.5,
        zsmooth="best" if share else False,
        colorscale=fading if share else steps,
        showscale=False,
        hovertemplate=f"{said}<extra></extra>",
        meta={"series": series, "role": "surface"},
    )


def _clouds(
    look: Theme, columns: Mapping[str, Sequence[Any]], names: Sequence[str], series: str
) -> list[go.Scatter]:
    clouds = []
    for index, name in enumerate(names):
        mine = [at for at, found in enumerate(columns["class"]) if str(found) == name]
        shade, _, marker = nth(index)
        clouds.append(
            go.Scatter(
                x=[columns["x"][at] for at in mine],
                y=[columns["y"][at] for at in mine],
                mode="markers",
                name=f"class {name}",
                marker={
                    "color": color(look, shade),
                    "symbol": marker,
                    "size": 5,
                    "line": {"width": 0.5, "color": look.paper},
                },
                hovertemplate=f"class {name} at %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
                meta={"series": series, "role": "points"},
            )
        )
    return clouds


def moves(look: Theme, clean: Sequence[Any], moved: Sequence[Any], flipped: Sequence[bool]) -> Any:
    """Where an attack took points of two inputs: a line from each clean point to its end."""
    traces = []
    for name, wanted, shade, symbol in (
        ("still right", False, "blue", "circle"),
        ("now wrong", True, "vermillion", "x"),
    ):
        x: list[float | None] = []
        y: list[float | None] = []
        for (x0, y0), (x1, y1), fooled in zip(clean, moved, flipped, strict=True):
            if fooled is wanted:
                x += [x0, x1, None]
                y += [y0, y1, None]
        traces.append(
            go.Scatter(
                x=x,
                y=y,
                mode="lines+markers",
                name=name,
                line={"color": color(look, shade), "width": 1},
                marker={"symbol": symbol, "size": [3, 6, 1] * (len(x) // 3)},
                hoverinfo="skip",
                connectgaps=False,
            )
        )
    square = {"constrain": "domain", "showgrid": False}
    return figure(
        look,
        traces,
        xaxis=axis(look, "first input", **square),
        yaxis=axis(look, "second input", scaleanchor="x", **square),
        hovermode="closest",
    )


def _natural(name: str) -> tuple[int, str]:
    return (int(float(name)) if name.replace(".", "").isdigit() else 0, name)
