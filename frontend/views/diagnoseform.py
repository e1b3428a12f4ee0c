"""The diagnose page's form: which diagnostics of a network, how, and beside which others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import forms, parts, specs, words
from frontend.api import Catalog, Entry, Job
from frontend.views.called import called
from frontend.views.diagnosis import badge

NAMES, PARAMS, PEERS = "diagnose-names", "diagnose-params", "diagnose-peers"
BATCH, SEED = "diagnose-batch", "diagnose-seed"
ESTIMATE, ERROR, RUN, CURL = "diagnose-estimate", "diagnose-error", "diagnose-run", "diagnose-curl"

SLOT = "diagnostics"
FRESH = ("accuracy", "calibration", "sharpness")
DEFAULTS: dict[str, Any] = {"batch_size": 256, "seed": 0, "peers": []}


def control(path: Any) -> dict[str, Any]:
    """A parameter of a diagnostic: `diagnostics.landscape.reach`."""
    return {"type": "diagnose-control", "path": path}


def flag(path: Any) -> dict[str, Any]:
    """A yes or no of a diagnostic."""
    return {"type": "diagnose-flag", "path": path}


def entry_params(path: Any) -> dict[str, Any]:
    """Where the parameters are of what the control at `path` chose."""
    return {"type": "diagnose-entry", "path": path}


def fresh(catalog: Catalog) -> dict[str, Any]:
    """What a form starts with."""
    names = [name for name in FRESH if specs.find(catalog, "diagnostic", name)]
    return {SLOT: [{"name": name} for name in names], **DEFAULTS}


def form(
    catalog: Catalog,
    spec: Mapping[str, Any],
    peers: Sequence[Job],
    unfit: Mapping[str, str] = MappingProxyType({}),
) -> Component:
    """Every control, holding what the spec says; `unfit` are diagnostics not to be had, and why."""
    shown = params(catalog, spec[SLOT])
    return html.Div(
        [
            parts.card(_boxes(catalog, spec, unfit), title="What to look at"),
            html.Div(shown, id=PARAMS, className="method-cards"),
            parts.card(forms.grid(_beside(spec, peers)), title="On what"),
        ],
        className="form",
    )


def _boxes(catalog: Catalog, spec: Mapping[str, Any], unfit: Mapping[str, str]) -> Component:
    names = [one["name"] for one in spec[SLOT]]
    # What a step did is seen in training alone.
    entries = [one for one in specs.of_kind(catalog, "diagnostic") if "moves" not in one["facts"]]
    dear = [entry for entry in entries if entry["facts"].get("studies")]
    rest = [entry for entry in entries if entry not in dear]
    return dmc.CheckboxGroup(
        [
            html.P("Studies: measured once, on a trained network.", className="about boxes-of"),
            html.Div([_box(entry, unfit) for entry in dear], className="boxes"),
            html.P("Readings that a training can take as well.", className="about boxes-of"),
            html.Div([_box(entry, unfit) for entry in rest], className="boxes"),
        ],
        id=NAMES,
        value=names,
        **{"aria-label": "Diagnostics"},
    )


def _box(entry: Entry, unfit: Mapping[str, str]) -> Component:
    label = html.Span([entry["title"], " ", badge(entry["invariant"])], className="box-label")
    why = unfit.get(entry["name"])
    told = f"Not here: {why}." if why else entry["summary"]
    return dmc.Checkbox(
        value=entry["name"], label=label, description=told, disabled=bool(why), size="sm"
    )


def _beside(spec: Mapping[str, Any], peers: Sequence[Job]) -> list[Component]:
    return [
        dmc.MultiSelect(
            id=PEERS,
            label="Beside other networks",
            description="of the same data; bias and variance need them",
            data=[{"value": job["id"], "label": called(job)} for job in peers],
            value=[id for id in spec["peers"] if id in {job["id"] for job in peers}],
            placeholder="" if peers else "no other network of this data",
            searchable=True,
            inputWrapperOrder=["label", "input", "description", "error"],
            size="sm",
        ),
        _whole(BATCH, "Batch", spec["batch_size"], 1, "training examples that stand for a batch"),
        _whole(SEED, "Seed", spec["seed"], 0, "of every random draw"),
    ]


def _whole(id: str, label: str, value: Any, least: int, description: str) -> Component:
    return dmc.NumberInput(
        id=id,
        label=label,
        description=description,
        value=value,
        min=least,
        allowDecimal=False,
        clampBehavior="none",  # a number out of range is told, not silently changed
        debounce=400,
        inputWrapperOrder=["label", "input", "description", "error"],
        size="sm",
    )


def params(catalog: Catalog, chosen: Iterable[Mapping[str, Any]]) -> list[Component]:
    """The parameters of each chosen diagnostic that has some."""
    shown = []
    for one in chosen:
        entry = specs.find(catalog, "diagnostic", one["name"])
        found = specs.parameters(entry)
        if entry is None or not found:
            continue
        made = forms.controls(catalog, found, f"{SLOT}.{one['name']}.", one)
        legend = html.Legend(entry["title"])
        inside = [legend, forms.grid([ours(part) for part in made])]
        shown.append(html.Fieldset(inside, className="entry-card"))
    return shown


def ours(part: Any) -> Any:
    """The launch form listens to its own controls; these, nested ones too, are not of it."""
    made = {"control": control, "flag": flag, "entry-params": entry_params}
    for one in part if isinstance(part, list | tuple) else [part]:
        if not isinstance(one, Component):
            continue
        found = getattr(one, "id", None)
        if isinstance(found, dict) and found.get("type") in made:
            one.id = made[found["type"]](found["path"])
        ours(getattr(one, "children", None))
    return part


def chosen(catalog: Catalog, path: str, value: str) -> list[Any]:
    """What a nested control chose, with its parameters."""
    kind = specs.kind_at(catalog, path)
    found: list[Any] = ours(forms.chosen(catalog, path, kind, {"name": value}))
    return found


def request(catalog: Catalog, source: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for; `values` are its controls by path, or by their ids."""
    values = {**values, SLOT: values.get(NAMES)}
    spec: dict[str, Any] = {"source": source, SLOT: specs.choices(catalog, SLOT, values)}
    given = {"peers": values.get(PEERS), "batch_size": values.get(BATCH), "seed": values.get(SEED)}
    spec |= {key: value for key, value in given.items() if value not in (None, "", [])}
    return {"kind": "diagnose", "spec": spec}


def name_of(source: Job, catalog: Catalog, spec: Mapping[str, Any]) -> str:
    """Calibration, Sharpness of weight decay."""
    entries = [specs.find(catalog, "diagnostic", one["name"]) for one in spec[SLOT]]
    titles = [entry["title"] for entry in entries if entry]
    many = len(titles) > 3
    said = f"{len(titles)} diagnostics" if many else ", ".join(titles)
    return f"{said} of {called(source)}"[:120]


def side(*, ready: bool) -> Component:
    """Beside the form: what it will cost, the button, the same as curl."""
    run = dmc.Button(
        "Diagnose" if ready else "Still training",
        id=RUN,
        disabled=not ready,
        fullWidth=True,
        size="sm",
    )
    shell = html.Div(
        [
            html.Pre(id=CURL, className="curl", tabIndex=0),
            dcc.Clipboard(target_id=CURL, title="Copy", className="copy"),
        ],
        className="code",
    )
    return html.Aside(
        parts.card(
            [
                html.Div(estimate({}), id=ESTIMATE, **{"aria-live": "polite"}),
                html.Div(id=ERROR, className="launch-error"),
                run,
                html.Details([html.Summary("The same from a shell"), shell], className="folded"),
            ],
            title="Estimate",
            about="before anything runs",
        ),
        className="side",
    )


def estimate(cost: Mapping[str, Any]) -> Component:
    rows = [
        ("Diagnostics", words.count(cost.get("steps"))),
        ("Time, about", words.duration(cost.get("seconds"))),
        ("Memory, about", words.size(cost.get("memory_bytes"))),
    ]
    return html.Dl(
        [part for name, value in rows for part in (html.Dt(name), html.Dd(value))],
        className="estimate",
    )
