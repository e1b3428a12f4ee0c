"""Bounds and certificates: what is proved of a network beside what is measured of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import dash
from dash import (
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

from frontend import parts
from frontend.api import Api, ApiError, visitor
from frontend.plots.theme import theme
from frontend.refusals import or_else
from frontend.views import bounds, load, saved
from frontend.views.lab import STORES, Lab

LAB = Lab(
    name="bounds",
    title="Bounds and certificates",
    of="Bounds of {}",
    lead="A bound holds for every input or every change; a measurement is what was found. Between "
    "them lies what nobody knows yet.",
    doing="bound",
)
ASKED, SOURCE, TOLD, LIVE = map(LAB.id, STORES)
QUEUED = LAB.id("queued")
NOTHING = LAB.id("nothing")
PAGE, CONTENT, LINES, CARD = LAB.id("page"), LAB.id("content"), LAB.id("lines"), LAB.id("card")

dash.register_page(__name__, path=LAB.path, title="Bounds – Normscope")


def layout(job: str | None = None, **query: Any) -> Component:
    return LAB.layout({"job": job, "over": query.get("over")}, 304)


@callback(Output(CONTENT, "children"), Output(SOURCE, "data"), Input(ASKED, "data"))
@or_else(lambda error, _: ([LAB.head(None), parts.failed(error)], None))
async def fill(asked: dict[str, Any]) -> Any:
    """The page of the network that the address names; without one, a choice."""
    api = visitor()
    if not asked["job"]:
        return await LAB.choice(api), None
    told = await load.told(api, asked["job"])
    job = told.job
    if unfit := LAB.unfit(job):
        return unfit, None
    look, over = theme(load.scheme()), asked["over"] if asked["over"] in bounds.WAYS else "weights"
    measured = await saved.diagnosis(api, job["id"], "spectral_norms", saved.having())
    cost = await saved.cost(api, [bounds.request("layers", job["id"], over, 0.0, 10)])
    content = [
        LAB.head(job),
        *bounds.over_time(told, look),
        bounds.layers(look, measured, cost, job["summary"] or {}),
        bounds.controls(over, bounds.WAYS[over].most, 200),
        dcc.Store(id=QUEUED),
        html.Div(id=LINES),
        html.Div(bounds.proved(look, over), id=CARD, hidden=True),
        html.Div(bounds.UNPROVED, id=NOTHING, hidden=True),
        html.P("", id="bounds-words", className="card-note", **{"aria-live": "polite"}),
    ]
    layers = measured.for_script() if measured else None
    return content, {"id": job["id"], "summary": job["summary"], "layers": layers}


@callback(
    Output(bounds.MOST, "value"),
    Output(CARD, "children"),
    Input(bounds.OVER, "value"),
    prevent_initial_call=True,
)
async def turn(over: str) -> Any:
    """Weights and inputs have budgets and an axis of their own."""
    return bounds.WAYS[over].most, bounds.proved(theme(load.scheme()), over)


@callback(
    Output(LINES, "children"),
    Output(TOLD, "data"),
    Output(bounds.SAID, "children"),
    Input(bounds.OVER, "value"),
    Input(bounds.MOST, "value"),
    Input(bounds.LIMIT, "value"),
    Input(QUEUED, "data"),
    State(SOURCE, "data"),
)
@or_else(lambda error, *_: (no_update, no_update, _refused(error)))
async def show(over: str, most: Any, limit: Any, _: Any, source: dict[str, Any] | None) -> Any:
    """What there is already, and what the rest would cost."""
    if not source or not most or not limit:
        return no_update, no_update, no_update
    return (*await _shown(visitor(), source, over, float(most), int(limit)), "")


async def _shown(
    api: Api, source: Mapping[str, Any], over: str, most: float, limit: int
) -> tuple[Component, dict[str, Any]]:
    asked = (source["id"], over, most, limit)
    requests = [bounds.request(what, *asked) for what in ("certificate", "attack")]
    costs = await asyncio.gather(*[saved.cost(api, [one]) for one in requests])
    certificate, attack = await asyncio.gather(_certified(api, *asked), _attacked(api, *asked))
    found = {"certificate": certificate, "attack": attack}
    told = {
        "owner": PAGE,
        "over": over,
        "attack": f"attack/{bounds.WAYS[over].attack}/accuracy",
        "summary": source["summary"],
        "runs": {what: one.for_script() if one else None for what, one in found.items()},
    }
    told["runs"]["layers"] = source["layers"]
    lines = bounds.sources(found, dict(zip(found, costs, strict=True)))
    return lines, told


async def _certified(
    api: Api, source: str, over: str, most: float, limit: int
) -> saved.Saved | None:
    """The certificate with these very budgets, else any of what moves."""
    name, eps = bounds.CERTIFIED, "eps" if over == "weights" else "eps_x"
    exact = saved.having(**bounds.certificate(over, most, limit), relative=False)
    return await saved.diagnosis(api, source, name, exact) or await saved.diagnosis(
        api, source, name, lambda choice: bool(choice.get(eps)) and not choice.get("relative")
    )


async def _attacked(
    api: Api, source: str, over: str, most: float, limit: int
) -> saved.Saved | None:
    way = bounds.WAYS[over]
    exact = saved.having(**way.fixed, eps_grid=way.grid(most), limit=limit)
    return await saved.attack(api, source, way.attack, exact) or await saved.attack(
        api, source, way.attack, saved.having(**way.fixed)
    )


def _refused(error: ApiError) -> Component:
    lines = [f"{one['field'].rpartition('.')[2]}: {one['message']}" for one in error.errors]
    return html.Span("; ".join(lines) or error.sentence, className="refused")


# One callback alone tells what there is: of two, an older answer could undo a newer one's.
@callback(
    Output(QUEUED, "data"),
    Output(bounds.SAID, "children", allow_duplicate=True),
    *[Input(id, "n_clicks") for id in ("bounds-certify", "bounds-attack")],
    State(bounds.OVER, "value"),
    State(bounds.MOST, "value"),
    State(bounds.LIMIT, "value"),
    State(SOURCE, "data"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, _refused(error)))
async def start(certify: Any, attack: Any, over: str, most: Any, limit: Any, source: Any) -> Any:
    """Queue what the button says; `show` follows it."""
    if not (certify or attack) or not source:
        return no_update, no_update
    what = next(key for key, id in bounds.STARTS.items() if id == ctx.triggered_id)
    await _queue(visitor(), what, source["id"], over, float(most), int(limit))
    return {"at": time.time()}, ""


async def _queue(api: Api, what: str, source: str, over: str, most: float, limit: int) -> None:
    names = {"certificate": "Certified accuracy", "attack": "Attack", "layers": "Norms"}
    job = await api.job(source)
    name = f"{names[what]}{'' if what == 'layers' else f', {over},'} of {job['name']}"[:120]
    await api.create({**bounds.request(what, source, over, most, limit), "name": name})


@callback(
    Output(ASKED, "data"),
    Input(bounds.STARTS["layers"], "n_clicks"),
    State(SOURCE, "data"),
    State(ASKED, "data"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def measure(clicks: int | None, source: Any, asked: dict[str, Any]) -> Any:
    """Measure the layers' norms where the training did not."""
    if not clicks or not source:
        return no_update
    await _queue(visitor(), "layers", source["id"], "weights", 0.0, 10)
    return {**asked, "at": clicks}


clientside_callback(
    ClientsideFunction("bounds", "start"), Output(LIVE, "data"), Input(TOLD, "data")
)
