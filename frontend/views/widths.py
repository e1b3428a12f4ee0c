"""The parts of the lab of widths: the slider, its figures, its plots, what measures them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import html
from dash.development.base_component import Component

from frontend import parts, specs
from frontend.api import Catalog, Job
from frontend.plots import theme as themes
from frontend.plots.theme import Theme
from frontend.views.plotcard import plot_card
from frontend.views.saved import Saved, line

NAME = "widths"
STEPS, AGAINST, RUN, SAID = "widths-steps", "widths-against", "widths-run", "widths-said"
SLIDER, AT = "widths-slider", "widths-at"
NESTED = ("bayesian_nested", "nested_dropout", "slimmable")
COUNTS = (8, 16, 32)

FIGURES = {
    "accuracy": "Accuracy",
    "ece": "Calibration error",
    "nll": "Negative log-likelihood",
    "auroc": "AUROC, other data",
    "parameters": "Parameters",
    "macs": "Multiply-adds",
}
PLOTS = (
    ("widths-quality", "Accuracy", "share of the test data that is right", "width", "accuracy"),
    ("widths-reliability", "Reliability", "", "confidence", "accuracy"),
    (
        "widths-doubt",
        "Calibration, and telling other data apart",
        "expected calibration error (ECE); AUROC of entropy against other data where measured",
        "width",
        "ECE, AUROC",
    ),
    (
        "widths-cost",
        "What accuracy costs",
        "each point is a width",
        "multiply-adds an example",
        "accuracy",
    ),
)


def trained_for_it(job: Job) -> bool:
    """Whether a method made the network stand being cut."""
    return any(one["name"] in NESTED for one in job["spec"]["methods"])


def others(catalog: Catalog, job: Job) -> list[dict[str, str]]:
    """The data sets whose inputs can be made those of the network."""
    own = specs.find(catalog, "dataset", job["spec"]["dataset"]["name"])
    if own is None:
        return []
    fits = [entry for entry in specs.of_kind(catalog, "dataset") if _fits(entry, own)]
    return [{"value": entry["name"], "label": entry["title"]} for entry in fits]


def _fits(entry: Mapping[str, Any], own: Mapping[str, Any]) -> bool:
    mine, theirs = own["facts"], entry["facts"]
    alike = mine["shape"] == theirs["shape"] or mine["layout"] == theirs["layout"] == "image"
    return bool(alike) and entry["name"] != own["name"]


def choice(steps: int, against: str | None) -> dict[str, Any]:
    """The diagnostic that measures `steps` widths, from the smallest to the whole net."""
    asked: dict[str, Any] = {"name": NAME, "widths": [k / steps for k in range(1, steps + 1)]}
    return asked | ({"ood": True, "against": {"name": against}} if against else {})


def request(source: str, steps: int, against: str | None) -> dict[str, Any]:
    spec = {"source": source, "diagnostics": [choice(steps, against)]}
    return {"kind": "diagnose", "spec": spec}


NOTHING = parts.nothing(
    "Here a slider from the narrowest network to the whole one will be: accuracy, calibration, "
    "parameters and multiply-adds move with it.",
    "Press Measure above; its cost is beside it.",
)


def slider() -> Component:
    """The width, and what the network is worth at it; the script makes the native range, which
    Dash lacks, and fills in the numbers."""
    shown = [
        parts.figure(label, html.Span("–", id=f"widths-value-{name}"), html.Span("–"))
        for name, label in FIGURES.items()
    ]
    control = html.Label(
        [
            html.Span(["Width ", html.Output("–", id=AT)], className="shift-slider-words"),
            html.Span(id=SLIDER),
        ],
        className="shift-slider",
    )
    return html.Div([parts.card(control, className="widths-slider"), parts.figures(shown)])


def plots(look: Theme) -> Component:
    cards = [
        plot_card(key, title, about, _empty(look, x, y, key)) for key, title, about, x, y in PLOTS
    ]
    return html.Div(cards, className="cards plots")


def _empty(look: Theme, x: str, y: str, key: str) -> Any:
    share = {"tickformat": ".0%"} if y == "accuracy" else {}
    both = {"range": [-0.03, 1.05] if key == "widths-reliability" else [0, 1]}
    return themes.figure(
        look,
        [],
        xaxis=themes.axis(look, x, **both),
        yaxis=themes.axis(look, y, **share, **both),
        hovermode="closest",
    )


def measuring(found: Saved | None, name: str, sets: list[dict[str, str]]) -> Component:
    """Where the numbers come from, and what would take them anew."""
    told = dict(found.choice) if found else {}
    widths = len(told.get("widths") or COUNTS[1:2] * COUNTS[1])
    steps = dmc.Select(
        id=STEPS,
        label="Widths",
        data=[{"value": str(count), "label": f"{count} of them"} for count in COUNTS],
        value=str(widths if widths in COUNTS else COUNTS[1]),
        allowDeselect=False,
        size="sm",
        className="plane-field",
    )
    against = dmc.Select(
        id=AGAINST,
        label="Other data, to tell apart",
        data=sets,
        value=(told.get("against") or {}).get("name") if told.get("ood") else None,
        placeholder="none",
        clearable=True,
        size="sm",
    )
    button = dmc.Button("Measure", id=RUN, size="sm")
    said = html.P("", id=SAID, className="about", role="status")
    where = line(name, found, "not measured at other widths yet")
    run = html.Div([button, said], className="plane-run")
    return parts.card([steps, against, run, where], className="plane-controls")
