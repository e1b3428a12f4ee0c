"""What a diagnose job found: of each diagnostic its numbers, plots, tables and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts, readings, specs, words
from frontend.api import Entry, Measurement
from frontend.plots import shapes
from frontend.plots.definitions import Definition
from frontend.plots.theme import Theme, nth, theme
from frontend.views.curves import Told
from frontend.views.gallery import gallery
from frontend.views.head import ENDED
from frontend.views.plotcard import plot_card

SIZES = ("examples", "limit")
"""Parameters that say how many examples a diagnostic looks at, and in their description of what."""
LAYER = re.compile(r"(.+)/layer(\d+)")


@dataclass
class Found:
    """A diagnostic with its newest reading of each name."""

    name: str
    entry: Entry | None
    choice: Mapping[str, Any] = field(default_factory=dict)
    readings: dict[str, Measurement] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.entry["title"] if self.entry else self.name

    @property
    def taken(self) -> str:
        """On how many examples of what: "Up to 1 000 training examples"."""
        for name, schema in specs.parameters(self.entry).items():
            if name in SIZES:
                count = words.count(self.choice.get(name, schema.get("default")))
                return f" Up to {count} {schema.get('description', 'examples')}."
        return ""

    def label(self, reading: str) -> str:
        """A reading's path in words, without what the diagnostic's own title says."""
        return readings.words(reading, self.name)

    def stays(self, reading: str) -> bool | None:
        """Whether shifts of scale between layers leave a reading alone."""
        if self.entry is None or self.entry["invariant"] is None:
            return None
        unmoved = tuple(self.entry["facts"].get("unmoved", ()))
        return self.entry["invariant"] or (bool(unmoved) and reading.startswith(unmoved))

    def of_shape(self, *wanted: str) -> list[Measurement]:
        return [one for one in self.readings.values() if one["shape"] in wanted]


def found(told: Told) -> list[Found]:
    """The diagnostics in the order in which they run; a reading's step says whose it is."""
    names = (told.job.get("info") or {}).get("diagnostics")
    if names is None:
        names = [choice["name"] for choice in told.job["spec"]["diagnostics"]]
    asked = {choice["name"]: choice for choice in told.job["spec"]["diagnostics"]}
    shown = [Found(name, _entry(told, name), asked.get(name, {})) for name in names]
    for item in sorted(told.items, key=lambda item: (item["attempt"], item["seq"])):
        if item["name"] != "progress" and item["step"] < len(shown):
            shown[item["step"]].readings[item["name"]] = item
    return shown


def _entry(told: Told, name: str) -> Entry | None:
    return specs.find(told.catalog, "diagnostic", name) if told.catalog else None


def diagnosis(told: Told, scheme: str) -> list[Component | None]:
    """Numbers first, then everything that is more than a number."""
    look, shown = theme(scheme), found(told)
    numbers = [_numbers(one) for one in shown if one.of_shape("scalar")]
    plots = [card for one in shown for card in _cards(one, look)]
    return [
        _skipped(told),
        html.Div(numbers, className="readings") if numbers else _waiting(told, bool(plots)),
        html.Div(plots, className="cards plots"),
    ]


def _skipped(told: Told) -> Component | None:
    skipped = (told.job.get("info") or {}).get("skipped") or []
    if not skipped:
        return None
    titles = ", ".join(Found(name, _entry(told, name)).title for name in skipped)
    return html.P(f"Left out, for this data cannot have it: {titles}.", className="card told")


def _waiting(told: Told, some: bool) -> Component | None:
    if some:
        return None
    state = told.job["state"]
    if state in ENDED:
        return parts.empty("This job told no readings.")
    waits = state == "queued"
    return parts.empty(
        "Readings come once the job has begun." if waits else "The first readings come soon."
    )


# --- numbers -----------------------------------------------------------------------------------


def _numbers(one: Found) -> Component:
    scalars = {item["name"]: item["value"] for item in one.of_shape("scalar")}
    plain = {name: value for name, value in scalars.items() if not LAYER.fullmatch(name)}
    body = [_plain(one, plain) if plain else None, _by_layer(one, scalars)]
    link = f"/catalogue?kind=diagnostic&q={one.name}"
    return parts.card(
        html.Div(body, className="table-place", tabIndex=0),
        title=one.title,
        about=one.entry["summary"] + one.taken if one.entry else None,
        tools=dcc.Link("about", href=link, className="about-link", title=f"About {one.title}"),
        className="reading",
    )


def _plain(one: Found, scalars: Mapping[str, Any]) -> Component:
    rows = [
        html.Tr(
            [
                html.Th(one.label(name), scope="row", title=name),
                html.Td(_value(name, value), className="right tight"),
                html.Td(badge(one.stays(name)), className="right"),
            ]
        )
        for name, value in scalars.items()
    ]
    return html.Table(html.Tbody(rows), className="plain-table")


def _by_layer(one: Found, scalars: Mapping[str, Any]) -> Component | None:
    """What is measured of every layer: a row a layer, a column a measure."""
    table: dict[int, dict[str, str]] = {}
    for name in scalars:
        if match := LAYER.fullmatch(name):
            table.setdefault(int(match[2]), {})[match[1]] = name
    if not table:
        return None
    measures = list(dict.fromkeys(path for row in table.values() for path in row))
    heads = [html.Th("layer", scope="col"), *[_measure(one, path) for path in measures]]
    rows = [
        html.Tr(
            [
                html.Th(layer, scope="row"),
                *[html.Td(_cell(row.get(path), scalars), className="right") for path in measures],
            ]
        )
        for layer, row in sorted(table.items())
    ]
    body = [html.Thead(html.Tr(heads)), html.Tbody(rows)]
    return html.Table(body, className="plain-table by-layer")


def _measure(one: Found, path: str) -> Component:
    own = path == f"diagnostic/{one.name}"
    label = one.title.lower() if own else one.label(path)
    said = [html.Span(label, title=path), badge(one.stays(f"{path}/layer"))]
    return html.Th(said, scope="col", className="right")


def _cell(name: str | None, scalars: Mapping[str, Any]) -> Any:
    return "" if name is None else _value(name, scalars[name])


def _value(name: str, value: Any) -> Component:
    """A number that the live script keeps current."""
    return html.Span(words.number(value, 4), **{"data-value": name, "data-format": "number"})


def badge(stays: bool | None) -> Component | None:
    """What shifts of scale between layers do to a reading."""
    if stays is None:
        return None
    said = "invariant" if stays else "moves"
    told = f"Under shifts of scale between layers it {'stays' if stays else 'moves'}."
    return html.Span(said, className=f"verdict {'stays' if stays else 'moves'}", title=told)


# --- plots, tables, pictures -------------------------------------------------------------------


def _cards(one: Found, look: Theme) -> Iterable[Component]:
    for group in _together(one.of_shape("curve")):
        yield _curves(one, group, look)
    for item in one.of_shape("histogram"):
        figure = shapes.histogram(look, item["value"], item["name"])
        yield _card(one, item["name"], str(item["value"]["label"]), figure)
    for item in one.of_shape("surface"):
        figure = shapes.surface(look, item["value"], item["name"])
        yield _card(one, item["name"], _over(item["value"]), figure)
    for item in one.of_shape("table"):
        yield _table(one, item)
    for item in one.of_shape("images"):
        yield _pictures(one, item)


def _card(one: Found, path: str, about: str, figure: Any, name: str = "") -> Component:
    key = "-".join(filter(None, path.replace("_", "/").split("/")))
    label = name or one.label(path)
    title = f"{one.title}: {label}" if label else one.title
    defined = Definition(one.entry["help"], source=one.entry["paper"]) if one.entry else None
    return plot_card(key, title, about, figure, definition=defined)


def _over(value: Mapping[str, Any]) -> str:
    return f"{value['z_label']} over {value['x_label']} and {value['y_label']}"


def _together(items: Sequence[Measurement]) -> list[list[Measurement]]:
    """Curves that share their path before its last part and both axes belong in one plot."""
    groups: dict[tuple[str, ...], list[Measurement]] = {}
    for item in items:
        value, path = item["value"], item["name"].rpartition("/")[0]
        groups.setdefault((path, value["x_label"], value["y_label"]), []).append(item)
    return list(groups.values())


def _curves(one: Found, group: Sequence[Measurement], look: Theme) -> Component:
    drawn = []
    for index, item in enumerate(group):
        shade, dash, marker = nth(index)
        label = readings.term(item["name"].rpartition("/")[2])
        drawn.append(shapes.Curve(item["value"], label, shade, dash, marker, item["name"]))
    figure = shapes.curves(look, drawn)
    if drawn[0].label == "reliability":
        figure.add_shape(
            type="line", x0=0, y0=0, x1=1, y1=1, line={"color": look.grey, "dash": "dot"}
        )
    first = group[0]
    path = first["name"] if len(group) == 1 else first["name"].rpartition("/")[0]
    about = f"{first['value']['y_label']} against {first['value']['x_label']}"
    label = one.label(path) if path != f"diagnostic/{one.name}" else first["value"]["y_label"]
    return _card(one, path, about, figure, label)


def _table(one: Found, item: Measurement) -> Component:
    columns: Mapping[str, Sequence[Any]] = item["value"]["columns"]
    heads = [
        html.Th(readings.term(name), scope="col", className=_side(next(iter(cells), "")))
        for name, cells in columns.items()
    ]
    rows = [
        html.Tr([html.Td(_written(cell), className=_side(cell)) for cell in row])
        for row in zip(*columns.values(), strict=True)
    ]
    table = html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)], className="plain-table")
    return html.Div(
        parts.card(
            html.Div(table, className="table-place", tabIndex=0),
            title=f"{one.title}: {one.label(item['name'])}",
        ),
        **{"data-measurement": item["name"]},
    )


def _written(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int | float):
        return words.number(cell, 4)
    said = str(cell or "–")
    return readings.term(said) if said.startswith("layer") else said


def _side(cell: Any) -> str:
    return "right" if isinstance(cell, int | float) and not isinstance(cell, bool) else ""


def _pictures(one: Found, item: Measurement) -> Component:
    title = f"{one.title}: {one.label(item['name'])}"
    card = parts.card(gallery(item["value"]), title=title)
    return html.Div(card, **{"data-measurement": item["name"]})
