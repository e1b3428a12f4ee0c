"""The launch form's last section: several values for some fields make a sweep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend.views import fields

ROWS = 3
HELP = (
    "Give a field several values, and every combination becomes a job: “0.001, 0.01, 0.1”, "
    "“0.001..1 x4” in equal ratios, “1..9 by 2”, or names. Lists, such as widths: “64; 64 64”."
)


GROUPS = {"dataset": "Data", "model": "Network", "methods": "Methods", "optimizer": "Optimizer"}
"""What the form calls its sections; fields of none belong to the run."""


def offered(request: Mapping[str, Any], known: fields.Titles) -> list[dict[str, Any]]:
    """The fields of a request that may take several values: place, section, words, value."""
    return [
        {
            "path": path,
            "group": GROUPS.get(path.split(".")[1], "Run"),
            "words": fields.swept(path, request, known),
            "value": value,
        }
        for path, value in _leaves(request.get("spec") or {}, "spec")
    ]


def _leaves(found: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(found, Mapping):
        for key, one in found.items():
            if key != "diagnostics":
                yield from _leaves(one, f"{path}.{key}")
    elif isinstance(found, list) and any(isinstance(one, Mapping) for one in found):
        for place, one in enumerate(found):
            yield from _leaves(one, f"{path}.{place}")
    else:
        yield path, found


def sweep_section() -> Component:
    """Empty rows; the page's script offers the fields of the present request."""
    seeds = html.Label(
        [
            html.Span("Seeds"),
            dcc.Input(id="sweep-seeds", type="text", placeholder="0..4 by 1"),
        ],
        className="example-field",
    )
    return html.Details(
        [
            html.Summary("Sweep: several values at once"),
            html.P(HELP, className="about"),
            *[_row(index) for index in range(ROWS)],
            html.Div([seeds], className="example-controls"),
            html.Details(
                [html.Summary("The same from a shell"), html.Pre("", id="sweep-curl")],
                className="sweep-shell",
            ),
        ],
        id="sweep-form",
        className="card sweep-form",
    )


def sending() -> list[Component]:
    """In the place of the button for one job, once several values were given."""
    send = html.Button(
        "Launch the sweep",
        id="sweep-send",
        type="button",
        className="button filled",
        disabled=True,
        hidden=True,
    )
    return [html.P("", id="sweep-cost", role="status"), send]


def _row(index: int) -> Component:
    field = html.Label(
        [html.Span("Field"), html.Select([], id=f"sweep-field-{index}")], className="example-field"
    )
    values = html.Label(
        [html.Span("Values"), dcc.Input(id=f"sweep-values-{index}", type="text")],
        className="example-field wide-field",
    )
    return html.Div([field, values], className="example-controls")
