"""The landscape lab: the loss around a checkpoint on a plane, one network or two on one scale."""

from __future__ import annotations

import asyncio
import time
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
from frontend.api import Api, Job, visitor
from frontend.refusals import or_else
from frontend.views import load, networks, plane, saved
from frontend.views.called import called
from frontend.views.lab import STORES, Lab

LAB = Lab(
    name="landscape",
    title="The loss around a network",
    of="The loss around {}",
    lead="Two random directions through the trained weights, each as long as the filter it moves, "
    "so that shifts of scale leave the picture as it is.",
    doing="look around",
)
ASKED, SOURCE, TOLD, LIVE = map(LAB.id, STORES)
QUEUED = LAB.id("queued")
PAGE, CONTENT, PLACE = LAB.id("page"), LAB.id("content"), LAB.id("place")

dash.register_page(__name__, path=LAB.path, title="Landscape – Normscope")


def layout(job: str | None = None, **query: Any) -> Component:
    asked = {name: query.get(name) for name in ("with", "over", "h")}
    return LAB.layout({"job": job, **asked}, 380)


@callback(Output(CONTENT, "children"), Output(SOURCE, "data"), Input(ASKED, "data"))
@or_else(lambda error, _: ([LAB.head(None), parts.failed(error)], None))
async def fill(asked: dict[str, Any]) -> Any:
    """The instrument for the network that the address names; without one, a choice."""
    api = visitor()
    if not asked["job"]:
        return await LAB.choice(api), None
    job = await api.job(asked["job"])
    if unfit := LAB.unfit(job):
        return unfit, None
    peers = [one for one in await networks.trained(api) if one["id"] != job["id"]]
    over = asked["over"] if asked["over"] in ("weights", "inputs") else "weights"
    controls = plane.controls(peers, over, asked["with"], asked["h"] != "lin")
    place = html.Div(parts.skeleton(380), id=PLACE)
    return [LAB.head(job), controls, dcc.Store(id=QUEUED), place], {"id": job["id"]}


# --- what is saved, and what is on its way -------------------------------------------------------


@callback(
    Output(PLACE, "children"),
    Output(TOLD, "data"),
    *[Output(plane.field(name), "value") for name in plane.FIELDS],
    Input(plane.OVER, "value"),
    Input(plane.WITH, "value"),
    Input(QUEUED, "data"),
    State(SOURCE, "data"),
)
@or_else(lambda error, *_: (parts.failed(error), *[no_update] * (1 + len(plane.FIELDS))))
async def show(over: str, beside: str | None, queued: dict[str, Any] | None, source: Any) -> Any:
    """What has been computed of these networks, at once; the fields as it was computed."""
    if not source:
        return [no_update] * (2 + len(plane.FIELDS))
    api = visitor()
    asked = queued["asked"] if queued and ctx.triggered_id == QUEUED else {}
    catalog, models = await asyncio.gather(
        api.catalog(), _models(api, source["id"], beside, over, **asked)
    )
    given = plane.defaults(catalog) | dict(models[0][1].choice if models[0][1] else {})
    fields = [given["reach"], str(given["refinements"]), given["examples"]]
    return plane.cards(load.scheme(), models, over), _told(models, over, beside), *fields


async def _models(
    api: Api, source: str, beside: str | None, over: str, **wanted: Any
) -> list[tuple[Job, saved.Saved | None]]:
    names = [source, *([beside] if beside else [])]
    fits = saved.having(over=over, **wanted)
    jobs = await asyncio.gather(*[api.job(one) for one in names])
    found = await asyncio.gather(*[saved.diagnosis(api, one, plane.NAME, fits) for one in names])
    return list(zip(jobs, found, strict=True))


def _told(models: list[tuple[Job, saved.Saved | None]], over: str, beside: str | None) -> Any:
    return {
        "owner": PAGE,
        "over": over,
        "with": beside,
        "models": [
            {"name": called(job), "run": found.for_script() if found else None}
            for job, found in models
        ],
    }


# --- computing ------------------------------------------------------------------------------------


def _choice(over: str, reach: Any, refinements: Any, examples: Any) -> dict[str, Any]:
    given = {"reach": reach, "refinements": refinements, "examples": examples}
    known = {name: float(value) for name, value in given.items() if value not in (None, "")}
    for name in ("refinements", "examples"):
        if name in known:
            known[name] = int(known[name])
    return {"name": plane.NAME, "over": over, **known}


def _request(source: str, choice: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "diagnose", "spec": {"source": source, "diagnostics": [choice]}}


@callback(
    Output(plane.SAID, "children"),
    Input(plane.OVER, "value"),
    Input(plane.WITH, "value"),
    *[Input(plane.field(name), "value") for name in plane.FIELDS],
    State(SOURCE, "data"),
)
@or_else(lambda error, *_: _refused(error))
async def say_cost(over: str, beside: str | None, *rest: Any) -> Any:
    """What the button would cost, before it is pressed."""
    *fields, source = rest
    if not source or None in fields:
        return no_update
    choice = _choice(over, *fields)
    names = [source["id"], *([beside] if beside else [])]
    told = await saved.cost(visitor(), [_request(one, choice) for one in names])
    return f"{told}; drawn coarse at first, then refined"


def _refused(error: Any) -> Any:
    lines = [f"{one['field'].rpartition('.')[2]}: {one['message']}" for one in error.errors]
    return html.Span("; ".join(lines) or error.sentence, className="refused")


# `show` alone tells what there is: of two callbacks, an older answer could undo a newer one's.
@callback(
    Output(QUEUED, "data"),
    Output(plane.SAID, "children", allow_duplicate=True),
    Input(plane.RUN, "n_clicks"),
    State(plane.OVER, "value"),
    State(plane.WITH, "value"),
    *[State(plane.field(name), "value") for name in plane.FIELDS],
    State(SOURCE, "data"),
    running=[(Output(plane.RUN, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, _refused(error)))
async def compute(clicks: int | None, over: str, beside: str | None, *rest: Any) -> Any:
    """Queue what is not computed yet with exactly these parameters; `show` follows it."""
    *fields, source = rest
    if not clicks or not source:
        return no_update, no_update
    api, choice = visitor(), _choice(over, *fields)
    wanted = {key: value for key, value in choice.items() if key not in ("name", "over")}
    before = await _models(api, source["id"], beside, over, **wanted)
    new = [job for job, found in before if found is None]
    for job in new:
        name = f"Loss landscape over {over} of {called(job)}"[:120]
        await api.create({**_request(job["id"], choice), "name": name})
    said = no_update if new else "this was computed before; it is shown"
    return {"at": time.time(), "asked": wanted}, said


clientside_callback(
    ClientsideFunction("landscape", "start"), Output(LIVE, "data"), Input(TOLD, "data")
)
