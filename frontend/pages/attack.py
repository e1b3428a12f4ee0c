"""Attack a trained network: choose how, run it on a whole split, see what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import dash
from dash import (
    ALL,
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

from frontend import links, parts
from frontend.api import Api, ApiError, Catalog, Job, visitor
from frontend.views import attackform, confirm, head, ids, load, result
from frontend.views.plotcard import furniture

PLACE = "attack"
RENEWS = {"head": ids.ATTACK_RENEW_HEAD, "plots": ids.ATTACK_RENEW_PLOTS}
CONTROLS = (
    Input(ids.attack_control(ALL), "value"),
    Input(ids.attack_flag(ALL), "checked"),
)

dash.register_page(__name__, path="/lab/attack", title="Attack – Normscope")


def layout(job: str | None = None, run: str | None = None, **query: Any) -> Component:
    beside = [one for one in str(query.get("with") or "").split(",") if one]
    asked = {"job": job, "run": run, "with": beside, "r": query.get("r")}
    stores = [ids.ATTACK_REQUEST, ids.ATTACK_ADDRESS, ids.ATTACK_TOLD, ids.ATTACK_LIVE]
    return html.Div(
        [
            dcc.Store(id=ids.ATTACK_ASKED, data=asked),
            *[dcc.Store(id=store) for store in [*stores, *RENEWS.values()]],
            html.Div(parts.header("Attack", crumbs=[("Labs", "")]), id=ids.ATTACK_HEAD),
            html.Div(parts.skeleton(120), id=ids.ATTACK_FORM),
            html.Div(id=ids.ATTACK_STATUS),
            html.Div(id=ids.ATTACK_RESULT),
            confirm.confirm(PLACE),
            *furniture(),
        ],
        id=ids.ATTACK_PAGE,
    )


@callback(
    Output(ids.ATTACK_HEAD, "children"),
    Output(ids.ATTACK_FORM, "children"),
    Input(ids.ATTACK_ASKED, "data"),
)
async def fill(asked: dict[str, Any]) -> Any:
    """The form for the network that the address names; without one, a choice of networks."""
    api = visitor()
    try:
        if not asked["job"]:
            return _head(None), await _networks(api)
        job = await api.job(asked["job"])
        if job["kind"] == "attack":
            asked = {**asked, "run": asked["run"] or job["id"]}
            job = await api.job(job["spec"]["source"])
        catalog, attacks = await asyncio.gather(api.catalog(), load.attacks_on(api, job["id"]))
    except ApiError as error:
        return _head(None), parts.failed(error)
    return _head(job), _form(catalog, job, attacks, asked)


def _head(job: Job | None) -> Component:
    if job is None:
        lead = html.P("Which inputs close to the right ones fool a network?", className="lead")
        return parts.header("Attack a network", crumbs=[("Labs", ""), ("attack", "")], under=lead)
    return parts.header(
        f"Attack {job['name'] or job['id']}",
        crumbs=[("Labs", ""), ("attack", "")],
        facts=head.what(job),
        actions=parts.button_link("Its training", f"/jobs/{job['id']}"),
    )


def _form(catalog: Catalog, job: Job, attacks: list[Job], asked: Mapping[str, Any]) -> Component:
    known = [attack["id"] for attack in attacks]
    main = asked["run"] if asked["run"] in known else (known[0] if known else None)
    spec = attackform.fresh(job, catalog) | _shared(asked.get("r"))
    beside = [one for one in asked["with"] if one in known and one != main]
    return html.Div(
        [
            dcc.Store(id="attack-source", data={"id": job["id"], "name": job["name"]}),
            attackform.page_form(catalog, job, spec),
            attackform.picker(attacks, main, beside),
        ]
    )


def _shared(packed: str | None) -> dict[str, Any]:
    """The form as someone's link had it."""
    request = links.unpacked(packed) if packed else None
    spec = (request or {}).get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("attacks"), list):
        return {}
    return {
        key: spec[key] for key in ("attacks", "eps_grid", "split", "limit", "seed") if key in spec
    }


async def _networks(api: Api) -> Component:
    jobs = (await api.jobs(kind="train", state="succeeded", sort="-created_at", limit=50))["items"]
    if not jobs:
        button = parts.button_link("Train one", "/launch", filled=True)
        return parts.empty("There is no trained network to attack yet.", button)
    rows = [
        html.Tr(
            [
                html.Td(dcc.Link(job["name"] or job["id"], href=f"/lab/attack?job={job['id']}")),
                html.Td(head.what(job), className="about"),
            ]
        )
        for job in jobs
    ]
    return parts.card(
        html.Table(html.Tbody(rows), className="plain-table"), title="Choose a trained network"
    )


# --- the form ----------------------------------------------------------------------------------


@callback(
    Output(ids.ATTACK_PARAMS, "children"),
    Input(ids.ATTACK_NAMES, "value"),
    State(ids.ATTACK_REQUEST, "data"),
    prevent_initial_call=True,
)
async def choose(names: list[str], request: dict[str, Any] | None) -> Any:
    """The parameters of what is chosen; what was set before stays set."""
    before = {one["name"]: one for one in ((request or {}).get("spec") or {}).get("attacks", [])}
    catalog = await visitor().catalog()
    return attackform.params(catalog, [before.get(name, {"name": name}) for name in names])


@callback(
    Output(ids.ATTACK_REQUEST, "data"),
    Output(ids.ATTACK_ESTIMATE, "children"),
    Output(ids.ATTACK_CURL, "children"),
    Output(ids.ATTACK_ERROR, "children"),
    Output(ids.ATTACK_ADDRESS, "data"),
    Input(ids.ATTACK_NAMES, "value"),
    Input(ids.ATTACK_GRID, "value"),
    Input(ids.ATTACK_LIMIT, "value"),
    Input(ids.ATTACK_SPLIT, "value"),
    Input(ids.ATTACK_SEED, "value"),
    *CONTROLS,
    State("attack-source", "data"),
)
async def update(names: list[str], grid: str, limit: Any, split: str, seed: Any, *rest: Any) -> Any:
    """Any change: the request anew, its estimate, its curl, its address, what is wrong with it."""
    values: dict[str, Any] = {"names": names, "grid": grid, "limit": limit, "split": split}
    values["seed"] = seed
    for group in ctx.inputs_list:
        for item in group if isinstance(group, list) else []:
            values[item["id"]["path"]] = item.get("value")
    source = rest[-1]
    api = visitor()
    try:
        request = attackform.request(await api.catalog(), source["id"], values)
        cost, wrong = await api.estimate(request), None
    except ApiError as error:
        if error.status == 503:
            return no_update, no_update, no_update, parts.failed(error), no_update
        cost, wrong = {}, _wrong(error)
    curl = links.curl(request, load.origin())
    return request, attackform.estimate(cost), curl, wrong, links.packed(request)


def _wrong(error: ApiError) -> Component:
    lines = [f"{one['field'].removeprefix('spec.')}: {one['message']}" for one in error.errors]
    told = lines or [error.sentence]
    return html.Div([html.P(line) for line in told], className="warned", role="alert")


@callback(
    Output(ids.ATTACK_MAIN, "data"),
    Output(ids.ATTACK_OVERLAY, "data"),
    Output(ids.ATTACK_MAIN, "value"),
    Output(ids.ATTACK_ERROR, "children", allow_duplicate=True),
    Input(ids.ATTACK_RUN, "n_clicks"),
    State(ids.ATTACK_REQUEST, "data"),
    State("attack-source", "data"),
    running=[(Output(ids.ATTACK_RUN, "loading"), True, False)],
    prevent_initial_call=True,
)
async def run(clicks: int | None, request: dict[str, Any] | None, source: dict[str, Any]) -> Any:
    """Queue the attack and show its results as they come."""
    if not clicks or not request:
        return no_update, no_update, no_update, no_update
    api = visitor()
    try:
        job = await api.job(source["id"])
        name = attackform.name_of(job, request["spec"])
        made = await api.create({**request, "name": name})
        data = attackform.choices(await load.attacks_on(api, source["id"]))
    except ApiError as error:
        return no_update, no_update, no_update, _wrong(error)
    return data, data, made["id"], None


# --- the results -------------------------------------------------------------------------------


@callback(
    Output(ids.ATTACK_STATUS, "children"),
    Output(ids.ATTACK_RESULT, "children"),
    Output(ids.ATTACK_TOLD, "data"),
    Input(ids.ATTACK_MAIN, "value"),
    Input(ids.ATTACK_OVERLAY, "value"),
)
async def show(main: str | None, beside: list[str] | None) -> Any:
    """The results of one attack job, others drawn beside it."""
    if not main:
        return None, parts.empty("No attack on this network has run yet: choose one above."), None
    try:
        status, cards, told = await _shown(visitor(), main, beside or [])
    except ApiError as error:
        return None, parts.failed(error), None
    return status, cards, load.for_script(told, ids.ATTACK_PAGE, RENEWS)


@callback(
    Output(ids.ATTACK_STATUS, "children", allow_duplicate=True),
    Output(ids.ATTACK_RESULT, "children", allow_duplicate=True),
    Input(ids.ATTACK_RENEW_PLOTS, "data"),
    Input(ids.ATTACK_RENEW_HEAD, "data"),
    State(ids.ATTACK_MAIN, "value"),
    State(ids.ATTACK_OVERLAY, "value"),
    prevent_initial_call=True,
)
async def renew(_: Any, __: Any, main: str | None, beside: list[str] | None) -> Any:
    """It told of something new, or its state changed."""
    try:
        status, cards, _told = await _shown(visitor(), str(main), beside or [])
    except ApiError:
        return no_update, no_update
    return status, cards


async def _shown(api: Api, main: str, beside: list[str]) -> tuple[Component, list[Component], Any]:
    wanted = [main, *[one for one in beside if one != main]]
    told, *others = await asyncio.gather(*[load.told(api, one) for one in wanted])
    waiting = await load.waiting(api, told.job)
    status = [_status(told.job, waiting), head.failure(told.job)]
    return html.Div(status), result.result(told, others, load.scheme()), told


def _status(job: Job, waiting: str) -> Component:
    over = job["state"] in head.ENDED
    cancel = html.Button(
        "Cancel", id=ids.ATTACK_CANCEL, className="plain-button danger", hidden=over
    )
    link = dcc.Link("its job", href=f"/jobs/{job['id']}", className="about")
    badge = parts.state_badge(job["state"], id=ids.JOB_STATE)
    return html.Div([badge, head.progress(job, waiting), link, cancel], className="attack-status")


@callback(
    Output(ids.ATTACK_RENEW_HEAD, "data", allow_duplicate=True),
    Output(ids.ATTACK_ERROR, "children", allow_duplicate=True),
    Input(confirm.yes(PLACE), "n_clicks"),
    State(ids.ATTACK_MAIN, "value"),
    prevent_initial_call=True,
)
async def cancel(clicks: int | None, main: str | None) -> Any:
    if not clicks or not main:
        return no_update, no_update
    try:
        await visitor().cancel(main)
    except ApiError as error:
        return no_update, _wrong(error)
    return {"at": clicks}, None


confirm.asked_by(PLACE, ids.ATTACK_CANCEL)
clientside_callback(
    ClientsideFunction("live", "start"),
    Output(ids.ATTACK_LIVE, "data"),
    Input(ids.ATTACK_TOLD, "data"),
)
clientside_callback(
    ClientsideFunction("attack", "address"),
    Output(ids.ATTACK_ADDRESS, "id"),
    Input(ids.ATTACK_ADDRESS, "data"),
    Input(ids.ATTACK_MAIN, "value"),
    Input(ids.ATTACK_OVERLAY, "value"),
    prevent_initial_call=True,
)
