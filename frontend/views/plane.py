"""The parts of the landscape lab: its controls, and cards of surface and contour per network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend import parts, specs
from frontend.api import Catalog, Job
from frontend.plots import theme as themes
from frontend.plots.theme import Theme
from frontend.views.called import called
from frontend.views.plotcard import plot_card, segmented
from frontend.views.saved import Saved, line

NAME = "landscape"
OVER, WITH, RUN, SAID = "landscape-over", "landscape-with", "landscape-run", "landscape-said"
FIELDS = ("reach", "refinements", "examples")
SIDES = {str(level): f"{4 * 2**level + 1} points a side" for level in range(6)}
TALL = 380
MISSING = "not computed yet"
ABOUT = {
    "weights": "cross-entropy over two filter-normalised directions of the weights",
    "inputs": "mean cross-entropy over the loss gradient and a direction at a right angle",
}


def field(name: str) -> str:
    return f"landscape-{name}"


def defaults(catalog: Catalog) -> dict[str, Any]:
    """What the catalogue starts the diagnostic with."""
    found = specs.parameters(specs.find(catalog, "diagnostic", NAME))
    return {name: found[name].get("default") for name in FIELDS if name in found}


def controls(peers: Sequence[Job], over: str, beside: str | None, log: bool) -> Component:
    """What is drawn; what a new computation would take."""
    moved = html.Div(
        [
            html.Span("What moves", className="compare-label"),
            dmc.SegmentedControl(
                id=OVER,
                data=["weights", "inputs"],
                value=over,
                size="xs",
                **{"aria-label": "What moves"},
            ),
        ]
    )
    choices = (("log", "log", log), ("lin", "lin", not log))
    height = html.Div(
        [
            html.Span("Height", className="compare-label"),
            segmented("height", choices, "Scale of the loss"),
        ]
    )
    known = {job["id"] for job in peers}
    other = dmc.Select(
        id=WITH,
        label="Beside it",
        data=[{"value": job["id"], "label": called(job)} for job in peers],
        value=beside if beside in known else None,
        placeholder="no second network",
        clearable=True,
        searchable=True,
        size="sm",
    )
    return parts.card([moved, height, other, *_fields(), _run()], className="plane-controls")


def _fields() -> list[Component]:
    reach = dmc.NumberInput(
        id=field("reach"), label="Reach each way", min=0.01, max=100, step=0.1, debounce=400
    )
    points = dmc.Select(
        id=field("refinements"),
        label="At last",
        data=[{"value": value, "label": label} for value, label in SIDES.items()],
        allowDeselect=False,
    )
    examples = dmc.NumberInput(
        id=field("examples"), label="Test examples", min=1, allowDecimal=False, debounce=400
    )
    for one in (reach, points, examples):
        one.size = "sm"
        one.className = "plane-field"
    return [reach, points, examples]


def _run() -> Component:
    button = dmc.Button("Compute", id=RUN, size="sm")
    said = html.P("", id=SAID, className="about", role="status")
    return html.Div([button, said], className="plane-run")


def cards(scheme: str, models: Sequence[tuple[Job, Saved | None]], over: str) -> Component:
    """Surface and contour of each network: of two, one column each."""
    look = themes.theme(scheme)
    lines = [line(called(job), found, MISSING) for job, found in models]
    surfaces = [
        _card("surface", at, job, found, over, _scene(look)) if found else nothing(job)
        for at, (job, found) in enumerate(models)
    ]
    contours = [
        _card("contour", at, job, found, over, _flat(look, over))
        for at, (job, found) in enumerate(models)
        if found
    ]
    return html.Div(
        [
            html.Div(lines, className="run-lines"),
            html.Div([*surfaces, *contours], className="cards plots"),
            html.P("", id="landscape-told", className="card-note", **{"aria-live": "polite"}),
        ]
    )


def _card(shape: str, at: int, job: Job, found: Saved, over: str, figure: Any) -> Component:
    """Until its first picture comes, when the script takes the mark away, its place is empty."""
    dress = "" if f"diagnostic/landscape/{over}" in found.values else "waiting"
    title, key = f"{called(job)}: {shape}", f"plane-{shape}{at}"
    return plot_card(key, title, ABOUT[over], figure, definition=NAME, className=dress)


def nothing(job: Job) -> Component:
    """In place of a network's picture, until somebody asks for it."""
    return parts.nothing(
        f"Here the loss around {called(job)} will be, as a surface and as a contour with the "
        "checkpoint in its middle: flat or sharp, one valley or several.",
        "Press Compute above; its cost is beside it.",
    )


def _flat(look: Theme, over: str) -> Any:
    unit = "relative to the weights" if over == "weights" else "input units"
    square = {"constrain": "domain", "showgrid": False, "range": [-1, 1]}
    return themes.figure(
        look,
        [],
        xaxis=themes.axis(look, f"first direction ({unit})", **square),
        yaxis=themes.axis(look, f"second direction ({unit})", scaleanchor="x", **square),
        hovermode="closest",
        height=TALL,
        margin={"l": 52, "r": 14, "t": 10, "b": 40},
    )


def _scene(look: Theme) -> Any:
    side = {"gridcolor": look.grid, "zerolinecolor": look.grid, "showbackground": False}
    side["tickfont"] = {"size": 11, "color": look.soft}
    sides = {
        name: {**side, "title": {"text": title, "font": {"size": 11, "color": look.soft}}}
        for name, title in (("xaxis", "first"), ("yaxis", "second"), ("zaxis", "loss (nats)"))
    }
    scene: Mapping[str, Any] = {
        **sides,
        "aspectmode": "manual",
        "aspectratio": {"x": 1.15, "y": 1.15, "z": 0.75},
        "camera": {
            "eye": {"x": 1.35, "y": -1.35, "z": 0.95},
            "center": {"x": 0, "y": 0, "z": -0.1},
        },
    }
    none = {"l": 0, "r": 0, "t": 0, "b": 0}
    return themes.figure(look, [], scene=scene, height=TALL, margin=none, hovermode="closest")
