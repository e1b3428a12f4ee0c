"""A plot in its card: title, one grey line, the tools, the graph, notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
import plotly.graph_objects as go
from dash import dcc, html
from dash.development.base_component import Component

from frontend.plots.board import MOST_LINES
from frontend.plots.definitions import DEFINITIONS, Definition
from frontend.plots.theme import HEIGHT, named, swaps
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
    definition: str | Definition | None = None,
    notes: Sequence[str] = (),
    className: str = "",
) -> Component:
    """`log` is where the log/lin switch stands, None for no switch; `definition` is one, or the
    key of one where the card's own is not its key."""
    named = _legend(figure)
    place = _place(key, title, figure)
    drawn = html.Div([place, named], className="plot-and-list") if named else place
    listed = "listed" if named else ""
    return _card(key, title, about, drawn, log, definition, notes, f"{listed} {className}")


def chart_card(
    key: str,
    title: str,
    about: Any,
    *,
    axis: str | None = None,
    log: bool | None = None,
    definition: str | Definition | None = None,
) -> Component:
    """An empty place that chart.js fills, for plots that hold more than a figure can; `axis` is
    what the y axis is called where that is not the title."""
    height = f"{HEIGHT}px"
    place = html.Div(
        html.Div(className="chart"),
        className="plot-place",
        style={"--height": height},
        **{"data-height": height},
    )
    return _card(key, title, about, place, log, definition, axis=axis or title)


def _card(
    key: str,
    title: str,
    about: Any,
    drawn: Component,
    log: bool | None,
    definition: str | Definition | None,
    notes: Sequence[str] = (),
    className: str = "",
    axis: str = "",
) -> Component:
    if not isinstance(definition, Definition):
        definition = DEFINITIONS.get(definition or key)
    return html.Section(
        [
            html.Div(
                [
                    html.Div([html.H2(title), html.P(about, className="about")]),
                    _tools(key, title, log, definition),
                ],
                className="card-head",
            ),
            drawn,
            *_notes(notes),
            _definition(key, title, definition) if definition else None,
        ],
        id=ids.plot_id(key),
        className=" ".join(["card plot-card", *className.split()]),
        **{"data-card": key, "data-log": str(bool(log)).lower(), "data-axis": axis},
    )


def _place(key: str, title: str, figure: go.Figure) -> Component:
    graph = dcc.Graph(
        id=ids.plot(key),
        figure=figure,
        config=CONFIG,
        responsive=True,
        style={"height": "var(--height)"},
        className="plot",
    )
    return html.Div(
        graph,
        role="img",
        className="plot-place",
        style={"--height": f"{figure.layout.height}px"},
        **{"aria-label": f"{title}: {_said(figure)}"},
    )


def _notes(notes: Sequence[str]) -> list[Component | None]:
    """What there is to say, and what the scripts may have to say later."""
    return [
        html.P(" ".join(notes), className="card-note") if notes else None,
        html.P("", className="card-note", **{"data-thinned": ""}),
        html.P("", className="card-note", **{"data-nonpositive": ""}),
    ]


def _legend(figure: go.Figure) -> Component | None:
    """A list with search where a legend would be longer than eight; it takes the legend's place."""
    named = [trace for trace in figure.data if trace.name and trace.showlegend is not False]
    if len(named) <= MOST_LINES:
        return None
    figure.update_layout(showlegend=False)
    search = dmc.TextInput(
        size="xs",
        placeholder=f"Search {len(named)} series",
        className="series-search",
        **{"aria-label": "Search the series"},
    )
    return html.Div(
        [search, html.Ul([_entry(trace) for trace in named])],
        className="series-list",
    )


def _entry(trace: go.Scatter) -> Component:
    """A series' button: pressed while it is drawn."""
    color, dash = trace.line.color, trace.line.dash or "solid"
    style = "solid" if dash == "solid" else "dotted" if dash == "dot" else "dashed"
    mark = html.Span(
        className="series-mark",
        style={"borderTop": f"2px {style} {color}"},
        **{"data-color": color},
    )
    return html.Li(
        html.Button(
            [mark, trace.name],
            type="button",
            **{
                "data-series": trace.legendgroup or trace.name,
                "aria-pressed": str(trace.visible != "legendonly").lower(),
            },
        )
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
        html.Div(
            hidden=True,
            **{"data-palette": json.dumps(swaps()), "data-colors": json.dumps(named())},
        ),
        html.Div(id=ids.STALE, className="stale", role="status", hidden=True),
        table,
    ]
