"""Launch: a training job from a form that the catalogue makes, or from a preset."""

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

from frontend import ids, links, parts, specs
from frontend.api import Api, ApiError, Catalog, visitor
from frontend.launching import PRIORITY, chosen_at, estimate, form, named, presets, side, unknown
from frontend.refusals import or_else, tried
from frontend.views import fields
from frontend.views.sweepform import offered, sweep_section

dash.register_page(__name__, path="/launch", title="Launch – Normscope", order=1)

VALUES, WRONG = "launch-values", "launch-wrong"
NAMED = (ids.LAUNCH_NAME, ids.LAUNCH_TAGS, ids.LAUNCH_PRIORITY)
"""What a job has beside its spec."""
CONTROLS = (
    *[(id, "value") for id in (*NAMED, ids.control(ALL))],
    (ids.flag(ALL), "checked"),
)


def layout(
    r: str | None = None, preset: str | None = None, clone: str | None = None, **_: Any
) -> Component:
    lead = "Choose data, a network and the methods that train it; or start from a preset."
    return html.Div(
        [
            dcc.Store(id=ids.LAUNCH_QUERY, data={"r": r, "preset": preset, "clone": clone}),
            *[dcc.Store(id=store) for store in (VALUES, WRONG, ids.LAUNCH_REQUEST)],
            *[dcc.Store(id=store) for store in (ids.LAUNCH_ADDRESS, ids.LAUNCH_SWEEP)],
            dcc.Store(id=ids.LAUNCH_FIELDS),
            parts.header("Launch a training job", under=html.P(lead, className="lead")),
            html.Div(parts.skeleton(88), id=ids.LAUNCH_PRESETS),
            html.Div(
                [html.Div([named(), _sections(), sweep_section()], className="form"), side()],
                className="launch",
            ),
        ]
    )


def _sections() -> Component:
    return html.Div([parts.skeleton(160)] * 3, id=ids.LAUNCH_FORM, className="form")


@callback(
    Output(ids.LAUNCH_PRESETS, "children"),
    Output(ids.LAUNCH_FORM, "children"),
    Output(ids.LAUNCH_NAME, "value"),
    Output(ids.LAUNCH_TAGS, "value"),
    Output(ids.LAUNCH_PRIORITY, "value"),
    Output(ids.LAUNCH_ERROR, "children"),
    Input(ids.LAUNCH_QUERY, "data"),
)
@or_else(lambda error, _: (None, parts.failed(error), "", [], PRIORITY, None))
async def fill(query: dict[str, Any]) -> Any:
    """The form as the address asks for it: a shared request, a preset, a clone, or afresh."""
    api = visitor()
    catalog, devices = await asyncio.gather(api.catalog(), _devices(api))
    asked, refused = await tried(_asked(api, catalog, query))
    request, told = asked or {}, parts.failed(refused) if refused else None
    named = (request.get("name") or "", request.get("tags") or [])
    rank = request.get("priority") or PRIORITY
    shown = presets(catalog, query.get("preset")), form(catalog, request, devices)
    return *shown, *named, rank, told


@or_else(lambda *_: None)
async def _devices(api: Api) -> list[str] | None:
    """Where the workers that are alive compute; None where nobody can say."""
    workers = await api.workers()
    return [worker["device"] for worker in workers] or None


async def _asked(api: Api, catalog: Catalog, query: Mapping[str, Any]) -> dict[str, Any]:
    if query.get("r"):
        request = links.unpacked(query["r"])
        if request is None:
            raise ApiError(422, "This link is damaged", "The form starts afresh.")
        return request
    if query.get("clone"):
        job = await api.job(query["clone"])
        if job["kind"] != "train":
            raise ApiError(422, "This form trains; the job to clone is an attack")
        return {"name": f"{job['name']} again", "tags": job["tags"], "spec": job["spec"]}
    if query.get("preset"):
        return _preset_job(catalog, query["preset"])
    return {}


def _preset_job(catalog: Catalog, asked: str) -> dict[str, Any]:
    """`name` is the preset's first training job, `name/2` its third."""
    name, _, position = asked.partition("/")
    entry = specs.find(catalog, "preset", name)
    jobs = [job for job in (entry["facts"]["jobs"] if entry else []) if job["kind"] == "train"]
    index = int(position) if position.isdigit() else 0
    if index >= len(jobs):
        raise ApiError(404, f"There is no preset {asked}", "The form starts afresh.")
    return dict(jobs[index])


@callback(
    Output(ids.entry_params(MATCH), "children"),
    Input(ids.control(MATCH), "value"),
    State(ids.LAUNCH_REQUEST, "data"),
    prevent_initial_call=True,
)
@or_else(lambda *_: no_update)
async def choose(value: Any, request: dict[str, Any] | None) -> Any:
    """Show the parameters of what was just chosen; what was set before stays set."""
    path = ctx.triggered_id["path"] if ctx.triggered_id else None
    if path is None:
        return no_update
    return chosen_at(await visitor().catalog(), path, value, (request or {}).get("spec") or {})


clientside_callback(
    ClientsideFunction("form", "gather"),
    Output(VALUES, "data"),
    *[Input(*control) for control in CONTROLS],
    State(VALUES, "data"),
)
clientside_callback(
    ClientsideFunction("form", "place"),
    Output(ids.control(ALL), "error"),
    Input(WRONG, "data"),
)


@callback(
    Output(ids.LAUNCH_REQUEST, "data"),
    Output(ids.LAUNCH_FIELDS, "data"),
    Output(ids.LAUNCH_ESTIMATE, "children"),
    Output(ids.LAUNCH_CURL, "children"),
    Output(ids.LAUNCH_ADDRESS, "data"),
    Output(ids.LAUNCH_ERROR, "children", allow_duplicate=True),
    Output(WRONG, "data", allow_duplicate=True),
    Input(VALUES, "data"),
    prevent_initial_call=True,
)
@or_else(lambda error, _: (*[no_update] * 2, unknown(error), *[no_update] * 2, None, {}))
async def update(values: Mapping[str, Any]) -> Any:
    """Any change: the request anew, its estimate, its errors, its curl, its address."""
    if not _filled(values):
        return [no_update] * 7
    api = visitor()
    catalog = await api.catalog()
    request = _request(catalog, values)
    cost, error = await tried(api.estimate(request))
    shown = unknown(error) if error else estimate(catalog, request, cost or {})
    text = links.curl(request, _origin())
    wrong, rest = _placed(request, error, values)
    swept = offered(request, fields.titles(catalog))
    return request, swept, shown, text, links.packed(request), rest, wrong


def _filled(values: Mapping[str, Any] | None) -> bool:
    return len(values or {}) > len(NAMED)


def _request(catalog: Catalog, values: Mapping[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {"kind": "train", "spec": specs.spec_from(catalog, values)}
    if (values.get(ids.LAUNCH_NAME) or "").strip():
        request["name"] = values[ids.LAUNCH_NAME].strip()
    if values.get(ids.LAUNCH_TAGS):
        request["tags"] = values[ids.LAUNCH_TAGS]
    if values.get(ids.LAUNCH_PRIORITY) not in (None, PRIORITY):
        request["priority"] = values[ids.LAUNCH_PRIORITY]
    return request


def _placed(
    request: Mapping[str, Any], error: ApiError | None, values: Mapping[str, Any]
) -> tuple[dict[str, str], Any]:
    """Each error beside its field; those that have none, together."""
    if error is None:
        return {}, None
    by_path, rest = specs.placed(request["spec"], error.errors, list(values))
    alone = parts.failed(ApiError(error.status, error.title, "; ".join(rest) or error.detail))
    return by_path, alone if rest or not error.errors else None


def _origin() -> str:
    headers = ctx.headers or {}
    scheme = headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{headers.get('host', '127.0.0.1:8050')}"


@callback(
    Output(ids.GO, "href", allow_duplicate=True),
    Output(ids.LAUNCH_ERROR, "children", allow_duplicate=True),
    Output(WRONG, "data", allow_duplicate=True),
    Input(ids.LAUNCH_SUBMIT, "n_clicks"),
    State(VALUES, "data"),
    running=[(Output(ids.LAUNCH_SUBMIT, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, *_: (no_update, parts.failed(error), no_update))
async def submit(clicks: int | None, values: Mapping[str, Any] | None) -> Any:
    """Queue the job and go to its page; or say at each field what is wrong."""
    if not clicks or values is None:
        return [no_update] * 3
    request = _request(await visitor().catalog(), values)
    job, error = await tried(visitor().create(request))
    if job is None:
        wrong, rest = _placed(request, error, values)
        return no_update, rest, wrong
    return f"/jobs/{job['id']}", None, {}


@callback(
    Output(ids.GO, "href", allow_duplicate=True),
    Output(ids.LAUNCH_ERROR, "children", allow_duplicate=True),
    Input(ids.preset_launch(ALL), "n_clicks"),
    prevent_initial_call=True,
)
@or_else(lambda error, _: (no_update, parts.failed(error)))
async def launch_preset(clicks: list[int | None]) -> Any:
    """Queue every training job of a preset under the preset's tag, and show them."""
    if not any(clicks):
        return no_update, no_update
    name = ctx.triggered_id["name"]
    entry = specs.find(await visitor().catalog(), "preset", name)
    for job in entry["facts"]["jobs"] if entry else []:
        if job["kind"] == "train":
            await visitor().create({**job, "tags": [*job.get("tags", []), name]})
    return f"/jobs?tag={name}", None


clientside_callback(
    ClientsideFunction("launch", "preset"),
    Output(ids.LAUNCH_QUERY, "data"),
    Input(ids.preset(ALL), "n_clicks"),
    prevent_initial_call=True,
)
clientside_callback(
    ClientsideFunction("launch", "address"),
    Output(ids.LAUNCH_ADDRESS, "id"),
    Input(ids.LAUNCH_ADDRESS, "data"),
    State(ids.LAUNCH_QUERY, "data"),
    prevent_initial_call=True,
)


clientside_callback(
    ClientsideFunction("sweepform", "take"),
    Output(ids.LAUNCH_SWEEP, "data"),
    Input(ids.LAUNCH_REQUEST, "data"),
    Input(ids.LAUNCH_FIELDS, "data"),
)
