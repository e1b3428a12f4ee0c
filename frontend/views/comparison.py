"""The parts of the Compare page: controls, cards for plots, the table of what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts, readings
from frontend.api import Job
from frontend.plots.definitions import DEFINITIONS, Definition
from frontend.views.plotcard import chart_card

NAMES, CARDS = "compare-names", "compare-cards"
COLOR, DASH, FACET = "compare-color", "compare-dash", "compare-facet"
BAND, SMOOTH, ALONG = "compare-band", "compare-smooth", "compare-along"
LEFT, UP = "compare-left", "compare-up"

FIRST = ("train/loss", "test/accuracy", "norm/intrinsic", "gradient/input_max")
DERIVED = ("generalization gap", "robust accuracy")
LOGS = ("loss", "norm", "gradient", "learning_rate", "hessian")
MOST_COLUMNS = 12
DEFINED = {
    "train/loss": "loss",
    "train/accuracy": "accuracy",
    "test/accuracy": "accuracy",
    "norm/": "norm",
    "gradient/tightness": "tightness",
    "gradient/": "gradient",
}
"""The definition of a measurement's card, by how its name begins."""
ALONGS = ("step", "epoch", "time")


def head(count: int) -> Component:
    actions = []
    if count:
        actions = [
            parts.button_link("Choose other jobs", "/jobs?kind=train"),
            html.Button("Table as CSV", type="button", id="compare-csv", className="plain-button"),
        ]
    lead = "The same measurement of many jobs, and what tells them apart."
    return parts.header(
        f"Compare {count} jobs" if count else "Compare jobs",
        under=html.P(lead, className="lead"),
        actions=actions,
    )


def wanted(query: Mapping[str, Any]) -> list[str]:
    """The measurements that are read before it is known which ones there are."""
    return [name for name in str(query.get("name") or "").split(",") if name] or list(FIRST)


def shown(names: Sequence[str], query: Mapping[str, Any]) -> list[str]:
    """The measurements that the address asks for, else the first that tell most."""
    asked = [name for name in str(query.get("name") or "").split(",") if name in names]
    return asked or [name for name in FIRST if name in names] or list(names[:2])


def controls(
    names: Sequence[str], paths: Sequence[str], chosen: list[str], query: Mapping[str, Any]
) -> Component:
    groups = ["job", "none", *paths]
    colored = query.get("color") if query.get("color") in groups else _first_group(paths)
    return html.Div(
        [
            _measures(names, chosen),
            html.Div([html.Span("x axis", className="compare-label"), _along(query)]),
            _select(COLOR, "Colour by", groups, str(colored)),
            _select(DASH, "Dash by", ["none", *paths], str(query.get("dash") or "none")),
            _select(FACET, "Facet by", ["none", *paths], str(query.get("facet") or "none")),
            html.Div([html.Span("Smoothing", className="compare-label"), _smooth(query)]),
            dmc.Switch(
                id=BAND,
                label="Mean and band over seeds",
                checked=query.get("band") == "1",
                size="sm",
                className="compare-band",
            ),
        ],
        className="card compare-controls",
    )


def _measures(names: Sequence[str], chosen: list[str]) -> Component:
    return dmc.MultiSelect(
        id=NAMES,
        label="Measurements",
        data=[{"value": name, "label": called(name)} for name in names],
        value=chosen,
        searchable=True,
        maxValues=12,
        size="sm",
        className="compare-names",
    )


def _smooth(query: Mapping[str, Any]) -> Component:
    return dmc.Slider(
        id=SMOOTH,
        value=float(query.get("smooth") or 0),
        min=0,
        max=0.99,
        step=0.01,
        updatemode="drag",
        size="sm",
        thumbLabel="Smoothing",
        w=132,
    )


def _along(query: Mapping[str, Any]) -> Component:
    return dmc.SegmentedControl(
        id=ALONG,
        data=[{"value": v, "label": v} for v in ALONGS],
        value=query.get("x") if query.get("x") in ALONGS else ALONGS[0],
        size="xs",
        **{"aria-label": "What the x axes count"},
    )


def _first_group(paths: Sequence[str]) -> str:
    return next((path for path in paths if path != "seed"), "job")


def _select(id: str, label: str, data: Sequence[str], value: str) -> Component:
    return dmc.Select(
        id=id,
        label=label,
        data=[{"value": one, "label": called(one)} for one in data],
        value=value if value in data else data[0],
        allowDeselect=False,
        searchable=len(data) > 8,
        size="sm",
        className="compare-select",
    )


def cards(names: Sequence[str]) -> Component:
    """An empty place for each measurement; the page's script fills them."""
    if not names:
        return parts.empty("Choose a measurement above to lay its curves over each other.")
    made = [
        chart_card(
            key(name),
            called(name),
            "one line a job",
            log=any(part in name for part in LOGS) and "tightness" not in name,
            definition=_definition(name),
        )
        for name in names
    ]
    return html.Div(made, className="cards plots")


def called(name: str) -> str:
    """A measurement, or what is no measurement, in words: `test/accuracy` is "Test accuracy"."""
    if "/" not in name:
        return name
    words = readings.words(name)
    return words[:1].upper() + words[1:]


def _definition(name: str) -> Definition:
    """What it is where that is known, and what REST calls it."""
    known = next((DEFINITIONS[key] for part, key in DEFINED.items() if name.startswith(part)), None)
    path = f"In REST and in files: {name}."
    if known is None:
        return Definition(path)
    return Definition(f"{known.text} {path}", known.math, known.spoken, known.source)


def key(name: str) -> str:
    """A card's key: the script finds it the same way."""
    return "cmp-" + "".join(letter if letter.isalnum() else "-" for letter in name)


def relations(names: Sequence[str], paths: Sequence[str], query: Mapping[str, Any]) -> Component:
    """Final values against each other, and a line a job through all that differs."""
    left = str(query.get("left") or _or_first(names, "norm/intrinsic"))
    up = str(query.get("up") or _or_first(names, "generalization gap", "test/accuracy"))
    pickers = html.Div(
        [_select(LEFT, "Across", names, left), _select(UP, "Up", names, up)],
        className="compare-pickers",
    )
    scatter = chart_card("cmp-scatter", "Final values", html.Span("…", id="compare-tau"))
    parallel = chart_card("cmp-parallel", "What differs, and what came of it", "one line a job")
    return html.Div(
        [pickers, html.Div([scatter, parallel] if paths else [scatter], className="cards plots")]
    )


def _or_first(names: Sequence[str], *wanted: str) -> str:
    return next((name for name in wanted if name in names), names[0] if names else "")


def labels(jobs: Sequence[Job]) -> list[str]:
    """The jobs' names without the parts, set off by a dot, with which all of them begin."""
    parts_ = [(job["name"] or job["id"]).split(" · ") for job in jobs]
    shortest = min((len(name) for name in parts_), default=0)
    same = 0
    while same < shortest - 1 and len({name[same] for name in parts_}) == 1:
        same += 1
    return [" · ".join(name[same:]) for name in parts_]


def table(jobs: Sequence[Job], apart: Mapping[str, Sequence[Any]]) -> Component:
    """The fields in which the specs differ, a column a job."""
    if not apart:
        return parts.card(html.P("The specs are the same in every field.", className="about"))
    first = jobs[:MOST_COLUMNS]
    names = [
        dcc.Link(label, href=f"/jobs/{job['id']}")
        for job, label in zip(first, labels(jobs), strict=False)
    ]
    rows = [
        html.Tr([html.Th(path, scope="row"), *(html.Td(_said(v)) for v in values[: len(first)])])
        for path, values in apart.items()
    ]
    header = html.Tr([html.Th("Field", scope="col"), *(html.Th(n, scope="col") for n in names)])
    rest = len(jobs) - len(first)
    about = "the others are in the CSV" if rest > 0 else "fields that are the same are left out"
    return parts.card(
        html.Div(
            html.Table([html.Thead(header), html.Tbody(rows)], className="plain-table"),
            className="table-place",
            tabIndex=0,
        ),
        title="What differs in the specs",
        about=about,
    )


def _said(value: Any) -> str:
    return "–" if value is None else str(value)
