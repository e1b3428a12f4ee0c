"""The colours of both schemes, and the layout that every plot starts from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import plotly.graph_objects as go

Scheme = Literal["light", "dark"]

FONT = "Inter, system-ui, sans-serif"
HEIGHT = 262
"""Pixels of a plot in its card: fixed, so that nothing moves while data streams."""


@dataclass(frozen=True)
class Theme:
    """Named colours; series are Okabe–Ito's, lighter on dark. Scripts swap one set for the other,
    so no two names of a theme share a colour."""

    ink: str
    soft: str
    grid: str
    zero: str
    paper: str
    vermillion: str
    blue: str
    green: str
    purple: str
    orange: str
    sky: str
    grey: str
    vermillion_faint: str  # a line behind its smoothed one
    vermillion_wash: str  # bands and regions
    blue_wash: str
    green_wash: str
    purple_wash: str
    orange_wash: str
    sky_wash: str
    grey_wash: str


LIGHT = Theme(
    ink="#2b2f33",
    soft="#646b72",
    grid="#eceef0",
    zero="#c9ced3",
    paper="#fffffe",
    vermillion="#d55e00",
    blue="#0072b2",
    green="#009e73",
    purple="#cc79a7",
    orange="#e69f00",
    sky="#56b4e9",
    grey="#7a828a",
    vermillion_faint="rgba(213,94,0,0.28)",
    vermillion_wash="rgba(213,94,0,0.15)",
    blue_wash="rgba(0,114,178,0.15)",
    green_wash="rgba(0,158,115,0.16)",
    purple_wash="rgba(204,121,167,0.18)",
    orange_wash="rgba(230,159,0,0.18)",
    sky_wash="rgba(86,180,233,0.15)",
    grey_wash="rgba(122,130,138,0.15)",
)

DARK = Theme(
    ink="#d6d8da",
    soft="#a0a4a8",
    grid="#343637",
    zero="#55585b",
    paper="#242425",
    vermillion="#ff8b45",
    blue="#5b9ff0",
    green="#35c79b",
    purple="#e59cc4",
    orange="#f7b93e",
    sky="#7fd0ff",
    grey="#9aa2aa",
    vermillion_faint="rgba(255,139,69,0.34)",
    vermillion_wash="rgba(255,139,69,0.20)",
    blue_wash="rgba(91,159,240,0.20)",
    green_wash="rgba(53,199,155,0.20)",
    purple_wash="rgba(229,156,196,0.20)",
    orange_wash="rgba(247,185,62,0.20)",
    sky_wash="rgba(127,208,255,0.15)",
    grey_wash="rgba(154,162,170,0.20)",
)

CYCLE = ("vermillion", "blue", "green", "orange", "purple", "sky", "grey")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star")


def theme(scheme: str) -> Theme:
    return DARK if scheme == "dark" else LIGHT


def swaps() -> list[tuple[str, str]]:
    """Every colour on light beside the one that takes its place on dark."""
    return list(zip(asdict(LIGHT).values(), asdict(DARK).values(), strict=True))


def named() -> dict[str, tuple[str, str]]:
    """Every colour's name with its form on light and on dark, for scripts that draw."""
    light, dark = asdict(LIGHT), asdict(DARK)
    return {name: (light[name], dark[name]) for name in light}


def color(look: Theme, name: str) -> str:
    return str(getattr(look, name))


def nth(index: int) -> tuple[str, str, str]:
    """Colour name, dash and marker of the n-th series: no two of 35 alike without colour too."""
    turn = index // len(CYCLE)
    return (
        CYCLE[index % len(CYCLE)],
        DASHES[turn % len(DASHES)],
        MARKERS[index % len(MARKERS)],
    )


def axis(look: Theme, title: str, **more: Any) -> dict[str, Any]:
    """No box, a faint grid, a zero line only where asked for."""
    return {
        "title": {"text": title, "font": {"size": 11.5, "color": look.soft}, "standoff": 8},
        "gridcolor": look.grid,
        "linecolor": look.grid,
        "zeroline": False,
        "showline": False,
        "ticks": "",
        "exponentformat": "power",
        "minexponent": 4,
        "tickfont": {"size": 11.5, "color": look.soft},
        "automargin": True,
        **more,
    }


def figure(look: Theme, traces: list[Any], **layout: Any) -> go.Figure:
    """A figure in our dress; `layout` adds or replaces."""
    dress: dict[str, Any] = {
        "template": go.layout.Template(),
        "font": {"family": FONT, "size": 12, "color": look.ink},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 52, "r": 14, "t": 30, "b": 40},
        "height": HEIGHT,
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": look.paper,
            "bordercolor": look.grid,
            "font": {"family": FONT, "size": 12, "color": look.ink},
            "namelength": -1,
        },
        "legend": {
            "orientation": "h",
            "traceorder": "normal",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 11.5, "color": look.ink},
            "itemwidth": 30,
            "bgcolor": "rgba(0,0,0,0)",
        },
        "uirevision": "kept",
        "dragmode": "zoom",
        "separators": ".\u00a0",  # between thousands as frontend/words.py has it
    }
    return go.Figure(data=traces, layout={**dress, **layout})


def empty(look: Theme, sentence: str) -> go.Figure:
    """A plot with nothing to show yet, which says what it waits for."""
    nowhere = {"visible": False, "fixedrange": True}
    note = {
        "text": sentence,
        "showarrow": False,
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": 0.5,
        "font": {"size": 13, "color": look.soft},
    }
    return figure(look, [], xaxis=nowhere, yaxis=nowhere, annotations=[note])
