"""Diagnose a trained network: choose what to look at, run it, read what was found."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import dash
from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    ctx,
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import links, parts, specs
from frontend.api import Api, ApiError, Job, visitor
from frontend.refusals import or_else, tried
from frontend.views import confirm, diagnosepage, diagnoses, load, networks, suiting
from frontend.views import diagnoseform as forms
from frontend.views.plotcard import furniture

PATH, PLACE = "/lab/diagnose", "diagnose"
PAGE, HEAD, FORM = "diagnose-page", "diagnose-head", "diagnose-form"
ASKED, SOURCE = "diagnose-asked", "diagnose-source"
VALUES, WRONG = "diagnose-values", "diagnose-wrong"
ADDRESS, TOLD, LIVE = "diagnose-address", "diagnose-told", "diagnose-live"
STATUS, RESULT = "diagnose-status", "diagnose-result"
RENEWS = {"head": "diagnose-renew-head", "plots": "diagnose-renew-plots"}
PICK, CANCEL = diagnosepage.PICK, diagnosepage.CANCEL

dash.register_page(__name__, path=PATH, title="Diagnose – Normscope")


def layout(job: str | None = None, run: str | None = None, **query: Any) -> Component:
    stores = [SOURCE, VALUES, WRONG, ADDRESS, TOLD, LIVE, *RENEWS.values()]
    return html.Div(
        [
            dcc.Store(id=ASKED, data={"job": job, "run": run, "r": query.get("r")}),
            *[dcc.Store(id=store) for store in stores],
            html.Div(diagnosepage.head(None), id=HEAD),
            html.Div(parts.skeleton(240), id=FORM),
            html.Div(id=STATUS),
            html.Div(id=RESULT),
            confirm.confirm(PLACE),
            *furniture(),
        ],
        id=PAGE,
    )


@callback(
    Output(HEAD, "children"),
    Output(FORM, "children"),
    Output(SOURCE, "data"),
    Input(ASKED, "data"),
)
@or_else(lambda error, _: (diagnosepage.head(None), parts.failed(error), None))
async def fill(asked: dict[str, Any]) -> Any:
    """The form for the network that the address names; without one, a choice of networks."""
    api = visitor()
    if not asked["job"]:
        nothing = "There is no trained network to diagnose yet."
        return diagnosepage.head(None), await networks.choice(api, PATH, nothing), None
    job = await api.job(asked["job"])
    spec = diagnosepage.shared(asked["r"])
    if job["kind"] != "train":
        asked = {**asked, "run": asked["run"] or job["id"]}
        spec = spec or (job["spec"] if job["kind"] == "diagnose" else {})
        job = await api.job(job["spec"]["source"])
    catalog, runs, peers = await asyncio.gather(
        api.catalog(), load.diagnoses_of(api, job["id"]), _peers(api, job)
    )
    start = forms.fresh(catalog) | spec
    unfit = await suiting.unfit(api, catalog, job, peers)
    body = diagnosepage.body(catalog, job, start, peers, runs, asked, unfit)
    return diagnosepage.head(job), body, {"id": job["id"]}


async def _peers(api: Api, job: Job) -> list[Job]:
    """The other trained networks of the same data."""
    data = job["spec"]["dataset"]
    found = await api.jobs(kind="train", state="succeeded", q=data["name"], limit=200)
    same = [one for one in found["items"] if one["spec"]["dataset"] == data]
    return [one for one in same if one["id"] != job["id"]]


# --- the form ----------------------------------------------------------------------------------


@callback(
    Output(forms.PARAMS, "children"),
    Input(forms.NAMES, "value"),
    State(VALUES, "data"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def choose(names: list[str], values: dict[str, Any] | None) -> Any:
    """The parameters of what is chosen; what was set before stays set."""
    catalog = await visitor().catalog()
    asked = {**(values or {}), forms.SLOT: names}
    return forms.params(catalog, specs.choices(catalog, forms.SLOT, asked))


@callback(
    Output(forms.entry_params(MATCH), "children"),
    Input(forms.control(MATCH), "value"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def nested(value: str) -> Any:
    """A diagnostic's parameter chose another entry: that one's parameters."""
    path = ctx.triggered_id["path"] if ctx.triggered_id else None
    return forms.chosen(await visitor().catalog(), path, value) if path else no_update


clientside_callback(
    ClientsideFunction("form", "gather"),
    Output(VALUES, "data"),
    *[Input(id, "value") for id in (forms.NAMES, forms.PEERS, forms.BATCH, forms.SEED)],
    Input(forms.control(ALL), "value"),
    Input(forms.flag(ALL), "checked"),
    State(VALUES, "data"),
)
clientside_callback(
    ClientsideFunction("form", "place"),
    Output(forms.control(ALL), "error"),
    Input(WRONG, "data"),
)


@callback(
    Output(forms.ESTIMATE, "children"),
    Output(forms.CURL, "children"),
    Output(forms.ERROR, "children"),
    Output(ADDRESS, "data"),
    Output(WRONG, "data"),
    Input(VALUES, "data"),
    State(SOURCE, "data"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, no_update, parts.failed(error), no_update, {}))
async def update(values: Mapping[str, Any], source: Mapping[str, Any]) -> Any:
    """Any change: the request anew, its estimate, its curl, its address, what is wrong with it."""
    api = visitor()
    request = forms.request(await api.catalog(), source["id"], values)
    cost, error = await tried(api.estimate(request))
    fields, wrong = _placed(request, error, values)
    curl = links.curl(request, load.origin())
    return forms.estimate(cost or {}), curl, wrong, links.packed(request), fields


def _placed(
    request: Mapping[str, Any], error: ApiError | None, values: Mapping[str, Any]
) -> tuple[dict[str, str], Any]:
    """Each error beside its field; those that have none, together."""
    if error is None:
        return {}, None
    by_path, rest = specs.placed(request["spec"], error.errors, list(values))
    told = rest or ([] if by_path else [error.sentence])
    return by_path, diagnosepage.wrong(told) if told else None


@callback(
    Output(PICK, "data"),
    Output(PICK, "value"),
    Output(diagnosepage.ASKING, "open"),
    Output(forms.ERROR, "children", allow_duplicate=True),
    Input(forms.RUN, "n_clicks"),
    State(VALUES, "data"),
    State(SOURCE, "data"),
    running=[(Output(forms.RUN, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (*[no_update] * 3, diagnosepage.wrong([error.sentence])))
async def run(clicks: int | None, values: Any, source: Any) -> Any:
    """Queue the diagnosis and show what it finds as it comes."""
    if not clicks or not values or not source:
        return [no_update] * 4
    api = visitor()
    catalog, job = await asyncio.gather(api.catalog(), api.job(source["id"]))
    request = forms.request(catalog, job["id"], values)
    name = forms.name_of(job, catalog, request["spec"])
    made = await api.create({**request, "name": name})
    runs = await load.diagnoses_of(api, job["id"])
    return diagnoses.choices(catalog, runs), made["id"], False, None


# --- the results -------------------------------------------------------------------------------


@callback(
    Output(STATUS, "children"),
    Output(RESULT, "children"),
    Output(TOLD, "data"),
    Input(PICK, "value"),
)
@or_else(lambda error, _: (None, parts.failed(error), None))
async def show(picked: str | None) -> Any:
    """What one diagnosis found."""
    if not picked:
        return None, parts.empty("Nothing has been looked at here yet: choose it above."), None
    status, cards, told = await diagnosepage.shown(visitor(), picked)
    return status, cards, load.for_script(told, PAGE, RENEWS)


@callback(
    Output(STATUS, "children", allow_duplicate=True),
    Output(RESULT, "children", allow_duplicate=True),
    Input(RENEWS["plots"], "data"),
    Input(RENEWS["head"], "data"),
    State(PICK, "value"),
    prevent_initial_call=True,
)
@or_else(lambda *_: (no_update, no_update))
async def renew(_: Any, __: Any, picked: str | None) -> Any:
    """It told of something new, or its state changed."""
    status, cards, _told = await diagnosepage.shown(visitor(), str(picked))
    return status, cards


@callback(
    Output(RENEWS["head"], "data", allow_duplicate=True),
    Output(forms.ERROR, "children", allow_duplicate=True),
    Input(confirm.yes(PLACE), "n_clicks"),
    State(PICK, "value"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, diagnosepage.wrong([error.sentence])))
async def cancel(clicks: int | None, picked: str | None) -> Any:
    if not clicks or not picked:
        return no_update, no_update
    await visitor().cancel(picked)
    return {"at": clicks}, None


confirm.asked_by(PLACE, CANCEL)
clientside_callback(
    ClientsideFunction("live", "start"),
    Output(LIVE, "data"),
    Input(TOLD, "data"),
)
clientside_callback(
    ClientsideFunction("diagnose", "address"),
    Output(ADDRESS, "id"),
    Input(ADDRESS, "data"),
    Input(PICK, "value"),
    prevent_initial_call=True,
)
