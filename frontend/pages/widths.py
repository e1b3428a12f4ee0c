"""The lab of widths: one network made narrower, and what it is worth at each width."""

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
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import parts
from frontend.api import ApiError, Job, visitor
from frontend.plots.theme import theme
from frontend.refusals import or_else
from frontend.views import load, saved, widths
from frontend.views.called import called
from frontend.views.lab import STORES, Lab

LAB = Lab(
    name="widths",
    title="A network made narrower",
    of="{}, made narrower",
    lead="The first channels of every hidden layer alone are a smaller network. One that was "
    "trained for it loses little.",
    doing="make narrower",
)
ASKED, SOURCE, TOLD, LIVE = map(LAB.id, STORES)
PAGE, CONTENT, WHERE = LAB.id("page"), LAB.id("content"), LAB.id("where")
UNTRAINED = (
    "This network was not trained to be cut (no nested method): it is cut all the same, to compare."
)

dash.register_page(__name__, path=LAB.path, title="Widths – Normscope")


def layout(job: str | None = None, **query: Any) -> Component:
    return LAB.layout({"job": job, "w": query.get("w")}, 304)


@callback(
    Output(CONTENT, "children"),
    Output(SOURCE, "data"),
    Output(TOLD, "data"),
    Input(ASKED, "data"),
)
@or_else(lambda error, _: ([LAB.head(None), parts.failed(error)], None, None))
async def fill(asked: dict[str, Any]) -> Any:
    """The instrument for the network that the address names; without one, a choice."""
    api = visitor()
    if not asked["job"]:
        return await LAB.choice(api, _mark), None, None
    job = await api.job(asked["job"])
    if unfit := LAB.unfit(job):
        return unfit, None, None
    catalog, found = await asyncio.gather(
        api.catalog(), saved.diagnosis(api, job["id"], widths.NAME, saved.having())
    )
    measuring = widths.measuring(found, called(job), widths.others(catalog, job))
    content = [
        LAB.head(job),
        None if widths.trained_for_it(job) else html.P(UNTRAINED, className="card told"),
        html.Div(measuring, id=WHERE),
        html.Div(widths.NOTHING, id=LAB.id("nothing"), hidden=found is not None),
        html.Div(
            [widths.slider(), widths.plots(theme(load.scheme()))],
            id=LAB.id("shown"),
            hidden=found is None,
        ),
    ]
    return content, {"id": job["id"], "name": job["name"]}, _told(found, asked["w"])


def _mark(job: Job) -> str:
    return "trained to be cut" if widths.trained_for_it(job) else ""


def _told(found: saved.Saved | None, width: Any) -> dict[str, Any]:
    return {"owner": PAGE, "width": width, "run": found.for_script() if found else None}


@callback(
    Output(widths.SAID, "children"),
    Input(widths.STEPS, "value"),
    Input(widths.AGAINST, "value"),
    State(SOURCE, "data"),
)
@or_else(lambda error, *_: _refused(error))
async def say_cost(steps: str, against: str | None, source: dict[str, Any] | None) -> Any:
    """What the button would cost, before it is pressed."""
    if not source:
        return no_update
    asked = widths.request(source["id"], int(steps), against)
    return await saved.cost(visitor(), [asked])


def _refused(error: ApiError) -> Component:
    lines = [one["message"] for one in error.errors]
    return html.Span("; ".join(lines) or error.sentence, className="refused")


@callback(
    Output(WHERE, "children"),
    Output(TOLD, "data", allow_duplicate=True),
    Output(widths.SAID, "children", allow_duplicate=True),
    Input(widths.RUN, "n_clicks"),
    State(widths.STEPS, "value"),
    State(widths.AGAINST, "value"),
    State(SOURCE, "data"),
    running=[(Output(widths.RUN, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, no_update, _refused(error)))
async def measure(clicks: int | None, steps: str, against: str | None, source: Any) -> Any:
    """Queue what is not measured yet with exactly these parameters, and follow it."""
    if not clicks or not source:
        return no_update, no_update, no_update
    api, id = visitor(), source["id"]
    job, catalog = await asyncio.gather(api.job(id), api.catalog())
    fits = _like(int(steps), against)
    found = await saved.diagnosis(api, id, widths.NAME, fits)
    if found is None:
        name = f"Widths of {job['name'] or id}"[:120]
        await api.create({**widths.request(id, int(steps), against), "name": name})
        found = await saved.diagnosis(api, id, widths.NAME, fits)
    sets = widths.others(catalog, job)
    return widths.measuring(found, job["name"] or id, sets), _told(found, None), no_update


def _like(steps: int, against: str | None) -> saved.Fits:
    asked = widths.choice(steps, against)

    def fits(choice: Any) -> bool:
        other = (choice.get("against") or {}).get("name") if choice.get("ood") else None
        return bool(choice.get("widths") == asked["widths"]) and other == against

    return fits


clientside_callback(
    ClientsideFunction("widths", "start"), Output(LIVE, "data"), Input(TOLD, "data")
)
