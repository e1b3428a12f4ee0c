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
from frontend.views import fields
from frontend.views.plotcard import chart_card

NAMES, CARDS = "compare-names", "compare-cards"
COLOR, DASH, FACET = "compare-color", "compare-dash", "compare-facet"
BAND, SMOOTH, ALONG = "compare-band", "compare-smooth", "compare-along"
LEFT, UP = "compare-left", "compare-up"
CONTROLS, PICKERS = "compare-controls", "compare-pickers"

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


def choice(names: Sequence[str], paths: Sequence[str], query: Mapping[str, Any]) -> dict[str, Any]:
    """What the address asks for, and what is shown where it asks for nothing."""
    every = [*names, *DERIVED]
    return {
        "names": shown(names, query),
        "color": _among(["job", "none", *paths], query.get("color"), _first_group(paths)),
        "dash": _among(["none", *paths], query.get("dash"), "none"),
        "facet": _among(["none", *paths], query.get("facet"), "none"),
        "along": _among(ALONGS, query.get("x"), ALONGS[0]),
        "smooth": float(query.get("smooth") or 0),
        "band": query.get("band") == "1",
        "left": _among(every, query.get("left"), _or_first(every, "norm/intrinsic")),
        "up": _among(every, query.get("up"), _or_first(every, DERIVED[0], "test/accuracy")),
    }


def _among(known: Sequence[str], asked: Any, otherwise: str) -> str:
    return str(asked) if asked in known else otherwise


def controls(
    names: Sequence[str], titles: Mapping[str, str], chosen: Mapping[str, Any]
) -> list[Component]:
    """`titles`: of the fields in which the jobs differ."""
    return [
        _measures(names, chosen["names"]),
        html.Div([html.Span("x axis", className="compare-label"), _along(chosen["along"])]),
        _select(COLOR, "Colour by", {"job": "job", "none": "none", **titles}, chosen["color"]),
        _select(DASH, "Dash by", {"none": "none", **titles}, chosen["dash"]),
        _select(FACET, "Facet by", {"none": "none", **titles}, chosen["facet"]),
        html.Div([html.Span("Smoothing", className="compare-label"), _smooth(chosen["smooth"])]),
        dmc.Switch(
            id=BAND,
            label="Mean and band over seeds",
            checked=chosen["band"],
            size="sm",
            className="compare-band",
        ),
    ]


def pickers(names: Sequence[str], chosen: Mapping[str, Any]) -> list[Component]:
    every = {name: called(name) for name in (*names, *DERIVED)}
    return [
        _select(LEFT, "Across", every, chosen["left"]),
        _select(UP, "Up", every, chosen["up"]),
    ]


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


def _smooth(value: float) -> Component:
    return dmc.Slider(
        id=SMOOTH,
        value=value,
        min=0,
        max=0.99,
        step=0.01,
        updatemode="drag",
        size="sm",
        thumbLabel="Smoothing",
        w=132,
    )


def _along(value: str) -> Component:
    return dmc.SegmentedControl(
        id=ALONG,
        data=[{"value": v, "label": v} for v in ALONGS],
        value=value,
        size="xs",
        **{"aria-label": "What the x axes count"},
    )


def _first_group(paths: Sequence[str]) -> str:
    return next((path for path in paths if path != "seed"), "job")


def _select(id: str, label: str, data: Mapping[str, str], value: str) -> Component:
    return dmc.Select(
        id=id,
        label=label,
        data=[{"value": one, "label": words} for one, words in data.items()],
        value=value,
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


def relations(paths: Sequence[str]) -> Component:
    """Final values against each other, and a line a job through all that differs."""
    scatter = chart_card("cmp-scatter", "Final values", html.Span("…", id="compare-tau"))
    parallel = chart_card("cmp-parallel", "What differs, and what came of it", "one line a job")
    shown = [scatter, parallel] if paths else [scatter]
    place = html.Div(id=PICKERS, className="compare-pickers")
    return html.Div([place, html.Div(shown, className="cards plots")])


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


def table(
    jobs: Sequence[Job], apart: Mapping[str, Sequence[Any]], titles: fields.Titles
) -> Component:
    """The fields in which the specs differ, a column a job."""
    if not apart:
        return parts.card(html.P("The specs are the same in every field.", className="about"))
    first = jobs[:MOST_COLUMNS]
    names = [
        dcc.Link(label, href=f"/jobs/{job['id']}")
        for job, label in zip(first, labels(jobs), strict=False)
    ]
    rows = [
        _row(path, [fields.value(path, one, titles) for one in values[: len(first)]], titles)
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


def _row(path: str, values: Sequence[str], titles: fields.Titles) -> Component:
    name = html.Th(fields.words(path, titles), scope="row", title=path)
    return html.Tr([name, *map(html.Td, values)])
