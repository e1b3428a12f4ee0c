"""Many jobs over each other: any measurement, grouped by what tells the jobs apart."""

from __future__ import annotations

import asyncio
from typing import Any

import dash
from dash import (
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import parts
from frontend.api import Api, ApiError, Job, visitor
from frontend.views import comparison, fields, load, seeds
from frontend.views.differences import differing, flat
from frontend.views.plotcard import furniture

PATH = "/compare"
ASKED, PAGE, TOLD, LIVE = "compare-asked", "compare-page", "compare-told", "compare-live"
AHEAD, LATER = "compare-ahead", "compare-later"
MOST = 100

dash.register_page(__name__, path=PATH, title="Compare – Normscope")


def layout(jobs: str = "", sweep: str = "", **query: Any) -> Component:
    ids = [one for one in jobs.split(",") if one][:MOST]
    names = comparison.wanted(query)
    return html.Div(
        [
            dcc.Store(id=ASKED, data={"jobs": ids, "sweep": sweep, "query": query, "names": names}),
            dcc.Store(id=AHEAD),
            dcc.Store(id=LIVE),
            html.Div(_waiting(), id=PAGE),
            *furniture(),
        ]
    )


def _waiting() -> list[Component]:
    """Shapes of what comes."""
    return [comparison.head(0), parts.skeleton(64), parts.skeleton(304)]


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
async def fill(asked: dict[str, Any]) -> Any:
    """Empty plots, what the page's script needs to fill them, and the controls that come after."""
    api = visitor()
    try:
        jobs, robust, catalog = await asyncio.gather(
            _jobs(api, asked), _robust(api), load.catalogue(api)
        )
    except ApiError as error:
        return [comparison.head(0), parts.failed(error)]
    if jobs:
        return _content(jobs, robust, fields.titles(catalog), asked["query"])
    choose = parts.button_link("Choose jobs", "/jobs?kind=train", filled=True)
    words = "Select jobs in the list and press Compare to lay their curves over each other."
    return [comparison.head(0), parts.empty(words, choose)]


async def _jobs(api: Api, asked: dict[str, Any]) -> list[Job]:
    """The jobs in the order they were asked for; those that are gone are left out."""
    if asked["sweep"]:
        found = await api.jobs(sweep=asked["sweep"], sort="created_at", limit=MOST)
        return found["items"]
    if not asked["jobs"]:
        return []
    found = await api.jobs(id=",".join(asked["jobs"]), limit=MOST)
    place = {job: at for at, job in enumerate(asked["jobs"])}
    return sorted(found["items"], key=lambda job: place[job["id"]])


async def _robust(api: Api) -> dict[str, float]:
    """Of each network that was attacked, the newest attack's accuracy in the worst case."""
    attacks = await api.jobs(kind="attack", state="succeeded", sort="-created_at", limit=1000)
    found: dict[str, float] = {}
    for attack in attacks["items"]:
        ends = [
            value
            for name, value in attack["summary"].items()
            if name.startswith("attack/") and "accuracy" in name and isinstance(value, float | int)
        ]
        if ends:
            found.setdefault(attack["spec"]["source"], min(ends))
    return found


def _content(
    jobs: list[Job], robust: dict[str, float], titles: fields.Titles, query: dict[str, Any]
) -> list[Component]:
    apart = differing(jobs)
    told_fields = fields.for_script(apart, titles)
    names = sorted({name for job in jobs for name in job["summary"] if "/progress" not in name})
    chosen = comparison.choice(names, list(apart), query)
    told = {
        "jobs": [
            {**_told(job, robust), "label": label}
            for job, label in zip(jobs, comparison.labels(jobs), strict=True)
        ],
        "names": names,
        "words": {name: comparison.called(name) for name in (*names, *comparison.DERIVED)},
        **told_fields,
        "paths": list(apart),
        "choice": chosen,
    }
    controls = comparison.controls(names, told_fields["titles"], chosen)
    later = [controls, comparison.pickers(names, chosen)]
    return [
        comparison.head(len(jobs)),
        html.Div(id=comparison.CONTROLS, className="card compare-controls"),
        seeds.note(jobs),
        html.Div(comparison.cards(chosen["names"]), id=comparison.CARDS),
        comparison.relations(list(apart)),
        comparison.table(jobs, apart, titles),
        dcc.Store(id=TOLD, data=told),
        dcc.Store(id=LATER, data=later),
    ]


def _told(job: Job, robust: dict[str, float]) -> dict[str, Any]:
    summary = dict(job["summary"])
    if job["id"] in robust:
        summary["robust accuracy"] = robust[job["id"]]
    plain = {name: job[name] for name in ("id", "name", "state", "attempt", "cursor")}
    return {**plain, "summary": summary, "spec": flat(job["spec"])}


@callback(
    Output(comparison.CARDS, "children"),
    Input(comparison.NAMES, "value"),
    State(comparison.CARDS, "children"),
    prevent_initial_call=True,
)
def choose(names: list[str], shown: dict[str, Any]) -> Any:
    """The cards of what is chosen; those that stand there already are left alone."""
    cards = shown["props"].get("children") or []
    there = [card["props"].get("data-card") for card in cards if isinstance(card, dict)]
    return no_update if there == [*map(comparison.key, names)] else comparison.cards(names)


clientside_callback(
    ClientsideFunction("compare", "ahead"),
    Output(AHEAD, "data"),
    Input(ASKED, "data"),
)
clientside_callback(
    ClientsideFunction("compare", "start"),
    Output(LIVE, "data"),
    Input(TOLD, "data"),
)
clientside_callback(
    ClientsideFunction("compare", "later"),
    Output(comparison.CONTROLS, "children"),
    Output(comparison.PICKERS, "children"),
    Input(LIVE, "data"),
    State(LATER, "data"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("compare", "placed"),
    Output(AHEAD, "data", allow_duplicate=True),
    Input(comparison.CARDS, "children"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("compare", "choose"),
    Output(AHEAD, "data", allow_duplicate=True),
    Input(comparison.COLOR, "value"),
    Input(comparison.DASH, "value"),
    Input(comparison.FACET, "value"),
    Input(comparison.BAND, "checked"),
    Input(comparison.SMOOTH, "value"),
    Input(comparison.ALONG, "value"),
    Input(comparison.LEFT, "value"),
    Input(comparison.UP, "value"),
    Input(comparison.NAMES, "value"),
    prevent_initial_call=True,
)
