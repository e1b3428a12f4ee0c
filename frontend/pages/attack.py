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

from frontend import links, parts, specs
from frontend.api import visitor
from frontend.refusals import or_else, tried
from frontend.views import attackform, attackpage, attackruns, budgets, confirm, ids, load, networks
from frontend.views.plotcard import furniture

PLACE = "attack"
RENEWS = {"head": ids.ATTACK_RENEW_HEAD, "plots": ids.ATTACK_RENEW_PLOTS}
VALUES = "attack-values"
FIELDS = {
    ids.ATTACK_NAMES: "names",
    ids.ATTACK_GRID: "grid",
    ids.ATTACK_LIMIT: "limit",
    ids.ATTACK_SPLIT: "split",
    ids.ATTACK_SEED: "seed",
    ids.ATTACK_OTHER: "other",
}
CONTROLS = (
    Input(ids.attack_control(ALL), "value"),
    Input(ids.attack_flag(ALL), "checked"),
)

dash.register_page(__name__, path="/lab/attack", title="Attack – Normscope")


def layout(job: str | None = None, run: str | None = None, **query: Any) -> Component:
    beside = [one for one in str(query.get("beside") or "").split(",") if one]
    asked = {"job": job, "run": run, "beside": beside}
    asked |= {name: query.get(name) for name in ("r", "moves")}
    stores = [VALUES, ids.ATTACK_ADDRESS, ids.ATTACK_TOLD, ids.ATTACK_LIVE]
    stores.append(ids.ATTACK_EXAMPLE)
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
@or_else(lambda error, _: (attackpage.head(None), parts.failed(error)))
async def fill(asked: dict[str, Any]) -> Any:
    """The form for the network that the address names; without one, a choice of networks."""
    api = visitor()
    if not asked["job"]:
        nothing = "There is no trained network to attack yet."
        return attackpage.head(None), await networks.choice(api, "/lab/attack", nothing)
    job = await api.job(asked["job"])
    if job["kind"] == "attack":
        asked = {**asked, "run": asked["run"] or job["id"]}
        job = await api.job(job["spec"]["source"])
    catalog, attacks, trained = await asyncio.gather(
        api.catalog(), load.attacks_on(api, job["id"]), networks.trained(api)
    )
    return attackpage.head(job), attackpage.form(catalog, job, attacks, trained, asked)


# --- the form ----------------------------------------------------------------------------------


@callback(
    Output(ids.ATTACK_PARAMS, "children"),
    Input(ids.ATTACK_NAMES, "value"),
    State(ids.attack_control(ALL), "value"),
    State(ids.attack_flag(ALL), "checked"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def choose(names: list[str], *_: Any) -> Any:
    """The parameters of what is chosen; what was set before stays set."""
    catalog = await visitor().catalog()
    values = {"names": names, **_parameters(ctx.states_list)}
    return attackform.params(catalog, attackform.asked_attacks(catalog, values))


clientside_callback(
    ClientsideFunction("form", "gather"),
    Output(VALUES, "data"),
    *[Input(field, "value") for field in FIELDS],
    *CONTROLS,
    State(VALUES, "data"),
)


@callback(
    Output(ids.ATTACK_ESTIMATE, "children"),
    Output(ids.ATTACK_CURL, "children"),
    Output(ids.ATTACK_ERROR, "children"),
    Output(ids.ATTACK_ADDRESS, "data"),
    Input(VALUES, "data"),
    State("attack-source", "data"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, no_update, parts.failed(error), no_update))
async def update(gathered: Mapping[str, Any], source: Mapping[str, Any]) -> Any:
    """Any change: the request anew, its estimate, its curl, its address, what is wrong with it."""
    api = visitor()
    request = attackform.request(await api.catalog(), source["id"], _fields(gathered))
    cost, error = await tried(api.estimate(request))
    wrong = attackpage.wrong(error) if error else None
    curl = links.curl(request, load.origin())
    return attackform.estimate(cost or {}), curl, wrong, links.packed(request)


def _fields(gathered: Mapping[str, Any]) -> dict[str, Any]:
    """The form's values by the names that `attackform` knows."""
    return {FIELDS.get(name, name): value for name, value in gathered.items()}


def _parameters(told: list[Any]) -> dict[str, Any]:
    """What the controls of the attacks hold, by path."""
    groups = [group for group in told if isinstance(group, list)]
    return {item["id"]["path"]: item.get("value") for group in groups for item in group}


@callback(
    Output(ids.ATTACK_SUGGESTED, "data"),
    Output(ids.ATTACK_GRID, "label"),
    Output(ids.ATTACK_GRID, "description"),
    Output(ids.ATTACK_OTHER_PLACE, "hidden"),
    Input(ids.ATTACK_NAMES, "value"),
    *CONTROLS,
    State(ids.ATTACK_SUGGESTED, "data"),
    State("attack-source", "data"),
)
@or_else(lambda *_: (no_update,) * 4)
async def suggest(names: list[str], *rest: Any) -> Any:
    """The budgets that suit the attack, what they mean, and whether it needs another network."""
    before, source = rest[-2:]
    catalog = await visitor().catalog()
    attacks = attackform.asked_attacks(catalog, {"names": names, **_parameters(ctx.inputs_list)})
    if not attacks:
        return (no_update,) * 4
    grid = specs.text(budgets.grid(catalog, attacks[0], source["data"]))
    suggestion = {"grid": grid, "first": before is None}
    words = attackform.grid_words(catalog, attacks)
    return suggestion, *words, not attackform.transfers(catalog, attacks)


@callback(
    Output(ids.ATTACK_MAIN, "data"),
    Output(ids.ATTACK_OVERLAY, "data"),
    Output(ids.ATTACK_MAIN, "value"),
    Output(ids.ATTACK_ERROR, "children", allow_duplicate=True),
    Input(ids.ATTACK_RUN, "n_clicks"),
    State(VALUES, "data"),
    State("attack-source", "data"),
    running=[(Output(ids.ATTACK_RUN, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, no_update, no_update, attackpage.wrong(error)))
async def run(clicks: int | None, gathered: dict[str, Any] | None, source: dict[str, Any]) -> Any:
    """Queue the attack and show its results as they come."""
    if not clicks or not gathered:
        return no_update, no_update, no_update, no_update
    api = visitor()
    job, catalog = await asyncio.gather(api.job(source["id"]), api.catalog())
    request = attackform.request(catalog, source["id"], _fields(gathered))
    spec = request["spec"]
    other = await api.job(spec["transfer_from"]) if spec.get("transfer_from") else None
    name = attackform.name_of(catalog, job, spec, other)
    made = await api.create({**request, "name": name})
    data = attackruns.choices(catalog, await load.attacks_on(api, source["id"]))
    return data, data, made["id"], None


# --- the results -------------------------------------------------------------------------------


@callback(
    Output(ids.ATTACK_STATUS, "children"),
    Output(ids.ATTACK_RESULT, "children"),
    Output(ids.ATTACK_TOLD, "data"),
    Input(ids.ATTACK_MAIN, "value"),
    Input(ids.ATTACK_OVERLAY, "value"),
)
@or_else(lambda error, *_: (None, parts.failed(error), None))
async def show(main: str | None, beside: list[str] | None) -> Any:
    """The results of one attack job, others drawn beside it."""
    if not main:
        return None, parts.empty("No attack on this network has run yet: choose one above."), None
    status, cards, told = await attackpage.shown(visitor(), main, beside or [])
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
@or_else(lambda *_: (no_update, no_update))
async def renew(_: Any, __: Any, main: str | None, beside: list[str] | None) -> Any:
    """It told of something new, or its state changed."""
    status, cards, _told = await attackpage.shown(visitor(), str(main), beside or [])
    return status, cards


@callback(
    Output(ids.ATTACK_RENEW_HEAD, "data", allow_duplicate=True),
    Output(ids.ATTACK_ERROR, "children", allow_duplicate=True),
    Input(confirm.yes(PLACE), "n_clicks"),
    State(ids.ATTACK_MAIN, "value"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, attackpage.wrong(error)))
async def cancel(clicks: int | None, main: str | None) -> Any:
    if not clicks or not main:
        return no_update, no_update
    await visitor().cancel(main)
    return {"at": clicks}, None


clientside_callback(
    ClientsideFunction("example", "start"),
    Output(ids.ATTACK_EXAMPLE, "data"),
    Input(ids.ATTACK_FORM, "children"),
)
confirm.asked_by(PLACE, ids.ATTACK_CANCEL)
clientside_callback(
    ClientsideFunction("live", "start"),
    Output(ids.ATTACK_LIVE, "data"),
    Input(ids.ATTACK_TOLD, "data"),
)
clientside_callback(
    ClientsideFunction("attack", "follow"),
    Output(ids.ATTACK_GRID, "value"),
    Input(ids.ATTACK_SUGGESTED, "data"),
    State(ids.ATTACK_GRID, "value"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("attack", "address"),
    Output(ids.ATTACK_ADDRESS, "id"),
    Input(ids.ATTACK_ADDRESS, "data"),
    Input(ids.ATTACK_MAIN, "value"),
    Input(ids.ATTACK_OVERLAY, "value"),
    prevent_initial_call=True,
)
