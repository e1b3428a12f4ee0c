"""A sweep: how far it is, the result against what was swept, the best under a constraint."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import parts, readings
from frontend.api import visitor
from frontend.plots import theme as themes
from frontend.refusals import or_else
from frontend.views import comparison, confirm, fields, load
from frontend.views.plotcard import furniture, plot_card

ASKED, PAGE, LIVE = "sweep-asked", "sweep-page", "sweep-live"
CANCEL = "Cancel every job of this sweep that has not ended? What they have measured is kept."
CRUMBS = [("Jobs", "/jobs"), ("sweeps", "/sweeps")]

dash.register_page(__name__, path_template="/sweeps/<sweep_id>", title="Sweep – Normscope")


def layout(sweep_id: str = "", **query: Any) -> Component:
    return html.Div(
        [
            dcc.Store(id=ASKED, data={"sweep": sweep_id, "query": query}),
            dcc.Store(id=LIVE),
            html.Div([parts.header("Sweep", crumbs=CRUMBS), parts.skeleton(300)], id=PAGE),
            *furniture(),
        ]
    )


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
@or_else(lambda error, _: [parts.header("Sweep", crumbs=CRUMBS), parts.failed(error)])
async def fill(asked: dict[str, Any]) -> Any:
    """The controls and empty plots; the page's script fills and renews them."""
    api = visitor()
    sweep, attacks, catalog = await asyncio.gather(
        api.sweep(asked["sweep"]),
        api.jobs(kind="attack", state="succeeded", limit=1000),
        load.catalogue(api),
    )
    titles = fields.titles(catalog)
    swept = {path: fields.swept(path, sweep["base"], titles) for path in sweep["grid"]}
    told = {
        "sweep": sweep,
        "robust": _robust(attacks["items"]),
        "query": asked["query"],
        "titles": swept,
        "words": _words(sweep),
    }
    marks = {"data-sweep": json.dumps(told)}
    parts_ = [_head(sweep, swept), _progress(sweep), _result(), _best(), _table()]
    question = confirm.confirm("sweep", CANCEL, "Cancel them")
    return html.Div([*parts_, question], id="sweep", **marks)


def _robust(attacks: list[Any]) -> dict[str, float]:
    """Of each attacked network, the worst of the newest attack's accuracies."""
    found: dict[str, float] = {}
    for attack in attacks:
        ends = [
            value
            for name, value in attack["summary"].items()
            if name.startswith("attack/") and "accuracy" in name and isinstance(value, float | int)
        ]
        if ends:
            found.setdefault(attack["spec"]["source"], min(ends))
    return found


def _words(sweep: dict[str, Any]) -> dict[str, str]:
    """What measurements are called: those there are, and those that may come while jobs run."""
    found = {name for job in sweep["jobs"] for name in job["summary"]}
    return {name: comparison.called(name) for name in (*readings.WHOLE, "robust accuracy", *found)}


def _head(sweep: dict[str, Any], swept: dict[str, str]) -> Component:
    grid = [f"{swept[path]} ({len(values)})" for path, values in sweep["grid"].items()]
    cancel = html.Button(
        "Cancel all",
        id="sweep-cancel",
        type="button",
        className="plain-button danger",
        hidden=sweep["done"] >= 1,
    )
    compare = parts.button_link("Compare the curves", f"/compare?sweep={sweep['id']}", filled=True)
    csv = html.Button("CSV", id="sweep-csv", type="button", className="plain-button")
    return parts.header(
        sweep["name"],
        crumbs=CRUMBS,
        facts=f"{len(sweep['jobs'])} jobs · " + " × ".join(grid),
        actions=[compare, csv, cancel],
    )


def _progress(sweep: dict[str, Any]) -> Component:
    done = {"transform": f"scaleX({sweep['done']})"}
    bar = html.Div(
        html.Div(className="bar-done", id="sweep-bar", style=done),
        className="bar",
        role="progressbar",
        **{"aria-valuemin": "0", "aria-valuemax": "100", "aria-label": "Progress of the sweep"},
    )
    words = html.Span("…", id="sweep-said", className="progress-text number", role="status")
    return html.Div([bar, words], className="job-progress sweep-progress")


def _result() -> Component:
    look = themes.theme(load.scheme())
    figure = themes.figure(
        look, [], xaxis=themes.axis(look, ""), yaxis=themes.axis(look, ""), hovermode="closest"
    )
    figure.update_layout(height=360)
    controls = [
        _labelled("Result", "sweep-measure"),
        _labelled("Across", "sweep-across"),
        _labelled("Up", "sweep-up"),
    ]
    about = html.Span("…", id="sweep-about")  # said once it is known how many jobs have ended
    return html.Div(
        [
            html.Div(controls, className="example-controls"),
            plot_card("sweep-result", "Result against what was swept", about, figure),
        ]
    )


def _labelled(label: str, id: str) -> Component:
    return html.Label([html.Span(label), html.Select([], id=id)], className="example-field")


def _best() -> Component:
    value = dcc.Input(id="sweep-least", type="number", step="any", placeholder="any")
    line = [
        _labelled("Best", "sweep-best"),
        _labelled("is", "sweep-sense"),
        _labelled("with", "sweep-held"),
        html.Label([html.Span("of at least"), value], className="example-field"),
    ]
    told = html.P("…", id="sweep-winner", role="status")
    return parts.card(
        [html.Div(line, className="example-controls"), told],
        title="Best under a constraint",
        about="of the jobs that have succeeded; over seeds by the mean",
    )


def _table() -> Component:
    return parts.card(
        html.Div(
            html.Table(id="sweep-jobs", className="plain-table"),
            className="table-place",
            tabIndex=0,
        ),
        title="Jobs",
    )


clientside_callback(
    ClientsideFunction("sweep", "start"), Output(LIVE, "data"), Input(PAGE, "children")
)
