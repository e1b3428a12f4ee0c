"""One job: its curves while they grow, what it is, what can be done with it."""

from __future__ import annotations

import asyncio
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
    dcc,
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import ids as shell
from frontend import parts, specs
from frontend.api import Api, ApiError, Catalog, Job, visitor
from frontend.refusals import or_else
from frontend.views import confirm, curves, diagnosis, figures, head, ids, load, result, trust
from frontend.views.curves import Told, Wanted
from frontend.views.plotcard import furniture
from frontend.views.sections import sections

PLACE = "job"
RENEWS = {"head": ids.RENEW_HEAD, "plots": ids.RENEW_PLOTS}
"""The stores that the live script sets to have a part of the page made anew."""

dash.register_page(__name__, path_template="/jobs/<job_id>", title="Job – Normscope")


def layout(job_id: str = "", **query: Any) -> Component:
    asked = {"job": job_id, "query": {name: query[name] for name in ("x", "log") if name in query}}
    cards = html.Div([parts.skeleton(304)] * 4, className="cards plots")
    plots = [html.Div(className="plots-bar"), cards]
    row = [parts.skeleton(65) for _ in range(4)]
    return html.Div(
        [
            dcc.Store(id=ids.JOB_ASKED, data=asked),
            dcc.Store(id=ids.JOB_TOLD),
            dcc.Store(id=ids.JOB_LIVE),
            dcc.Store(id=ids.RENEW_HEAD),
            dcc.Store(id=ids.RENEW_PLOTS),
            html.Div(_placeholder(), id=ids.JOB_HEAD),
            html.Div(id=ids.JOB_REFUSED),
            html.Div(row, id=ids.JOB_FIGURES, className="figures"),
            html.Div(plots, id=ids.JOB_PLOTS),
            html.Div(id=ids.JOB_SECTIONS, className="sections"),
            confirm.confirm(PLACE),
            *furniture(),
        ],
        id=ids.JOB_PAGE,
    )


def _placeholder() -> Component:
    return parts.header("…", crumbs=[("Jobs", "/jobs")], under=html.Div(className="job-progress"))


@callback(
    Output(ids.JOB_HEAD, "children"),
    Output(ids.JOB_FIGURES, "children"),
    Output(ids.JOB_PLOTS, "children"),
    Output(ids.JOB_SECTIONS, "children"),
    Output(ids.JOB_TOLD, "data"),
    Input(ids.JOB_ASKED, "data"),
)
@or_else(lambda error, asked: (_missing(error, asked["job"]), None, None, None, None))
async def show(asked: dict[str, Any]) -> Any:
    """The whole page from REST, once."""
    api = visitor()
    told = await load.told(api, asked["job"])
    around, plots = await asyncio.gather(_around(api, told), _plots(api, told, asked["query"]))
    return (*around[:2], plots, around[2], load.for_script(told, ids.JOB_PAGE, RENEWS))


@callback(
    Output(ids.JOB_HEAD, "children", allow_duplicate=True),
    Output(ids.JOB_FIGURES, "children", allow_duplicate=True),
    Output(ids.JOB_SECTIONS, "children", allow_duplicate=True),
    Input(ids.RENEW_HEAD, "data"),
    State(ids.JOB_ASKED, "data"),
    prevent_initial_call=True,
)
@or_else(lambda *_: (no_update, no_update, no_update))  # the banner says what is the matter
async def renew_head(_: Any, asked: dict[str, Any]) -> Any:
    """Its state changed: everything but the plots."""
    api = visitor()
    return await _around(api, await load.told(api, asked["job"]))


@callback(
    Output(ids.JOB_PLOTS, "children", allow_duplicate=True),
    Input(ids.RENEW_PLOTS, "data"),
    State(ids.JOB_ASKED, "data"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def renew_plots(renew: Mapping[str, Any], asked: dict[str, Any]) -> Any:
    """It told of something that no plot shows yet."""
    api = visitor()
    return await _plots(api, await load.told(api, asked["job"]), renew.get("query") or {})


async def _around(api: Api, told: Told) -> tuple[Any, Any, Any]:
    """Head, figures and sections."""
    job = told.job
    waiting, files, attacks = await asyncio.gather(
        load.waiting(api, job), load.artifacts(api, job["id"]), _attacks(api, job)
    )
    failure = head.failure(job)
    row = None
    if job["kind"] == "train" and _tells(told):
        row = figures.figures(job, told.series, await _robust(api, attacks, told.catalog))
    below = sections(job, files, attacks, load.origin(), told.catalog)
    return [head.head(job, waiting, told.catalog), failure, head.notes(job)], row, below


async def _attacks(api: Api, job: Job) -> list[Job]:
    return await load.attacks_on(api, job["id"]) if job["kind"] == "train" else []


async def _robust(api: Api, attacks: list[Job], catalog: Catalog | None) -> Component | None:
    """The figure of the newest attack on this network that came to its end."""
    newest = next((job for job in attacks if job["state"] == "succeeded"), None)
    if newest is None:
        return None
    cards = [trust.place(attack) for attack in newest["spec"]["attacks"]]
    found = await api.measurements(newest["id"], name=[result.WORST, *cards])
    told = {item["name"]: item["value"] for item in found["items"]}
    checks = [one for card in cards if card in told for one in trust.checks_of(told[card])]
    titles, concerns = specs.titles(catalog, "attack"), trust.concerns(checks)
    curve = told.get(result.WORST)
    return figures.robust_figure(newest, curve, titles, concerns) if curve else None


def _tells(told: Told) -> bool:
    """A job that failed before it measured anything has nothing to plot."""
    return bool(told.items) or told.job["state"] not in head.ENDED


async def _plots(api: Api, told: Told, query: Mapping[str, Any]) -> list[Component | None]:
    if not _tells(told):
        return []
    if told.job["kind"] == "attack":
        return result.result(told, [], load.scheme())
    if told.job["kind"] == "diagnose":
        return diagnosis.diagnosis(told, load.scheme())
    return curves.board(told, Wanted.of(query, load.scheme()))


def _missing(error: ApiError, job: str) -> Component:
    if error.status == 404:
        return parts.empty(
            f"There is no job {job}. It may have been deleted.",
            parts.button_link("All jobs", "/jobs", filled=True),
        )
    return parts.failed(error)


# --- cancel and delete, after a question -----------------------------------------------------

clientside_callback(
    ClientsideFunction("live", "start"),
    Output(ids.JOB_LIVE, "data"),
    Input(ids.JOB_TOLD, "data"),
)
confirm.asked_by(PLACE, ids.JOB_CANCEL, ids.JOB_DELETE)


@callback(
    Output(shell.GO, "href", allow_duplicate=True),
    Output(ids.RENEW_HEAD, "data", allow_duplicate=True),
    Output(ids.JOB_REFUSED, "children"),
    Input(confirm.yes(PLACE), "n_clicks"),
    State(ids.JOB_ASKED, "data"),
    State(confirm.question(PLACE), "children"),
    prevent_initial_call=True,
)
@or_else(lambda error, clicks, *_: (no_update, {"at": clicks}, parts.failed(error)))
async def end(clicks: int | None, asked: dict[str, Any], question: str) -> Any:
    """Cancel the job, or delete it and leave, as the question was."""
    if not clicks:
        return no_update, no_update, no_update
    if question.startswith("Delete"):
        await visitor().delete(asked["job"])
        return "/jobs", no_update, None
    await visitor().cancel(asked["job"])
    return no_update, {"at": clicks}, None
