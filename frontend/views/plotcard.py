"""A plot in its card: title, one grey line, the tools, the graph, notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from frontend.plots.definitions import DEFINITIONS, Definition
from frontend.plots.theme import swaps
from frontend.views import ids

CONFIG: dict[str, Any] = {
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": "reset+autosize",
    "scrollZoom": False,
    "showTips": False,
}


def plot_card(
    key: str,
    title: str,
    about: Any,
    figure: go.Figure,
    *,
    log: bool | None = None,
    definition: str | None = None,
    notes: Sequence[str] = (),
    className: str = "",
) -> Component:
    """`log` is where the log/lin switch stands, None for no switch."""
    found = DEFINITIONS.get(definition or key)
    graph = dcc.Graph(
        id=ids.plot(key),
        figure=figure,
        config=CONFIG,
        responsive=True,
        style={"height": "var(--height)"},
        className="plot",
    )
    marks = {"data-card": key, "data-log": str(bool(log)).lower()}
    return html.Section(
        [
            html.Div(
                [
                    html.Div([html.H2(title), html.P(about, className="about")]),
                    _tools(key, title, log, found),
                ],
                className="card-head",
            ),
            html.Div(
                graph,
                role="img",
                className="plot-place",
                style={"--height": f"{figure.layout.height}px"},
                **{"aria-label": f"{title}: {_said(figure)}"},
            ),
            html.P(" ".join(notes), className="card-note") if notes else None,
            html.P("", className="card-note", **{"data-thinned": ""}),
            html.P("", className="card-note", **{"data-nonpositive": ""}),
            _definition(key, title, found) if found else None,
        ],
        id=ids.plot_id(key),
        className=f"card plot-card {className}".strip(),
        **marks,
    )


def _said(figure: go.Figure) -> str:
    """The plot in words: its lines; the numbers are in the table."""
    names = [trace.name for trace in figure.data if trace.name and trace.showlegend is not False]
    return (", ".join(names) or "no data yet") + ". The button “data as a table” lists the numbers."


def _tools(key: str, title: str, log: bool | None, definition: Definition | None) -> Component:
    return html.Div(
        [
            scale_switch(title, log) if log is not None else None,
            _icon("info", f"Definition of {title}", define=f"define-{key}") if definition else None,
            _icon("table", f"{title}: data as a table", table=""),
            _icon("enlarge", f"Enlarge {title}", enlarge="", pressed=False),
            _downloads(title),
        ],
        className="tools",
    )


def scale_switch(title: str, log: bool) -> Component:
    choices = (("log", "log", log), ("lin", "lin", not log))
    return segmented("scale", choices, f"Scale of {title}")


def segmented(data: str, choices: Sequence[tuple[str, str, bool]], label: str) -> Component:
    """Two or more buttons of which one is pressed: (value, words, pressed)."""
    buttons = [
        html.Button(
            words,
            type="button",
            **{f"data-{data}": value, "aria-pressed": str(pressed).lower()},
        )
        for value, words, pressed in choices
    ]
    return html.Div(buttons, className="segmented", role="group", **{"aria-label": label})


def _icon(icon: str, label: str, *, pressed: bool | None = None, **data: str) -> Component:
    marks = {f"data-{name}": value for name, value in data.items()}
    if pressed is not None:
        marks["aria-pressed"] = str(pressed).lower()
    return html.Button(
        html.Span(className=f"icon icon-{icon}"),
        type="button",
        className="icon-button",
        title=label,
        **{"aria-label": label, **marks},
    )


def _downloads(title: str) -> Component:
    words = {"png": "Picture (PNG)", "svg": "Drawing (SVG)", "csv": "Data (CSV)"}
    label = f"Download {title}"
    return html.Details(
        [
            html.Summary(
                html.Span(className="icon icon-download"),
                className="icon-button",
                title=label,
                **{"aria-label": label},
            ),
            html.Div(
                [
                    html.Button(text, type="button", **{"data-save": format})
                    for format, text in words.items()
                ],
                className="menu-items",
            ),
        ],
        className="menu",
    )


def _definition(key: str, title: str, found: Definition) -> Component:
    place = f"define-{key}"
    math = {"data-math": found.math, "aria-label": found.spoken} if found.math else {}
    return html.Dialog(
        [
            html.H2(title),
            html.P(found.text),
            html.Div(className="equation", **math) if math else None,
            html.P(found.source, className="about") if found.source else None,
            html.Button("Close", className="plain-button", **{"data-close": place}),
        ],
        id=place,
        className="definition",
        **{"aria-label": f"Definition of {title}"},
    )


def furniture() -> list[Component]:
    """What every page with plots needs once: the palette for scripts, the table, the banner."""
    table = html.Dialog(
        [
            html.H2(),
            html.P(className="about", **{"data-rows": ""}),
            html.Div(className="table-place", tabIndex=0, **{"data-table-place": ""}),
            html.Button("Close", className="plain-button", **{"data-close": ids.PLOT_TABLE}),
        ],
        id=ids.PLOT_TABLE,
        className="definition table-dialog",
        **{"aria-label": "The plot’s data"},
    )
    return [
        html.Div(hidden=True, **{"data-palette": json.dumps(swaps())}),
        html.Div(id=ids.STALE, className="stale", role="status", hidden=True),
        table,
    ]
