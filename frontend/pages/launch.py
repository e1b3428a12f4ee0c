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
from frontend.launching import chosen_at, estimate, form, named, presets, side, unknown
from frontend.refusals import or_else, tried
from frontend.views.sweepform import sweep_section

dash.register_page(__name__, path="/launch", title="Launch – Normscope", order=1)

CONTROLS = Input(ids.control(ALL), "value")
FLAGS = Input(ids.flag(ALL), "checked")
ERRORS = Output(ids.control(ALL), "error", allow_duplicate=True)


def layout(
    r: str | None = None, preset: str | None = None, clone: str | None = None, **_: Any
) -> Component:
    lead = "Choose data, a network and the methods that train it; or start from a preset."
    return html.Div(
        [
            dcc.Store(id=ids.LAUNCH_QUERY, data={"r": r, "preset": preset, "clone": clone}),
            dcc.Store(id=ids.LAUNCH_REQUEST),
            dcc.Store(id=ids.LAUNCH_ADDRESS),
            dcc.Store(id=ids.LAUNCH_SWEEP),
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
    Output(ids.LAUNCH_ERROR, "children"),
    Input(ids.LAUNCH_QUERY, "data"),
)
@or_else(lambda error, _: (None, parts.failed(error), "", [], None))
async def fill(query: dict[str, Any]) -> Any:
    """The form as the address asks for it: a shared request, a preset, a clone, or afresh."""
    api = visitor()
    catalog, devices = await asyncio.gather(api.catalog(), _devices(api))
    asked, refused = await tried(_asked(api, catalog, query))
    request, told = asked or {}, parts.failed(refused) if refused else None
    name, tags = request.get("name") or "", request.get("tags") or []
    return presets(catalog, query.get("preset")), form(catalog, request, devices), name, tags, told


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


@callback(
    Output(ids.LAUNCH_REQUEST, "data"),
    Output(ids.LAUNCH_ESTIMATE, "children"),
    Output(ids.LAUNCH_CURL, "children"),
    Output(ids.LAUNCH_ADDRESS, "data"),
    Output(ids.LAUNCH_ERROR, "children", allow_duplicate=True),
    ERRORS,
    CONTROLS,
    FLAGS,
    Input(ids.LAUNCH_NAME, "value"),
    Input(ids.LAUNCH_TAGS, "value"),
    prevent_initial_call=True,
)
@or_else(
    lambda error, values, *_: (
        *(no_update, unknown(error), no_update, no_update, None),
        [None] * len(values),
    )
)
async def update(values: Any, flags: Any, name: str, tags: list[str]) -> Any:
    """Any change: the request anew, its estimate, its errors, its curl, its address."""
    if not values:
        return [no_update] * 5 + [[no_update] * len(values)]
    api = visitor()
    catalog = await api.catalog()
    request = _request(catalog, name, tags)
    cost, error = await tried(api.estimate(request))
    shown = unknown(error) if error else estimate(catalog, request, cost or {})
    text = links.curl(request, _origin())
    fields, rest = _placed(request, error)
    return request, shown, text, links.packed(request), rest, fields


def _request(catalog: Catalog, name: str | None, tags: list[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for group in ctx.inputs_list + ctx.states_list:
        for item in group if isinstance(group, list) else []:
            values[item["id"]["path"]] = item.get("value")
    request: dict[str, Any] = {"kind": "train", "spec": specs.spec_from(catalog, values)}
    if name and name.strip():
        request["name"] = name.strip()
    if tags:
        request["tags"] = tags
    return request


def _placed(request: Mapping[str, Any], error: ApiError | None) -> tuple[list[Any], Any]:
    """Each error beside its field; those that have none, together."""
    outputs = next(group for group in ctx.outputs_list if isinstance(group, list))
    paths = [output["id"]["path"] for output in outputs]
    if error is None:
        return [None] * len(paths), None
    by_path, rest = specs.placed(request["spec"], error.errors, paths)
    alone = parts.failed(ApiError(error.status, error.title, "; ".join(rest) or error.detail))
    return [by_path.get(path) for path in paths], alone if rest or not error.errors else None


def _origin() -> str:
    headers = ctx.headers or {}
    scheme = headers.get("x-forwarded-proto", "http")
    return f"{scheme}://{headers.get('host', '127.0.0.1:8050')}"


@callback(
    Output(ids.GO, "href", allow_duplicate=True),
    Output(ids.LAUNCH_ERROR, "children", allow_duplicate=True),
    ERRORS,
    Input(ids.LAUNCH_SUBMIT, "n_clicks"),
    State(ids.control(ALL), "value"),
    State(ids.flag(ALL), "checked"),
    State(ids.LAUNCH_NAME, "value"),
    State(ids.LAUNCH_TAGS, "value"),
    running=[(Output(ids.LAUNCH_SUBMIT, "loading"), True, False)],
    prevent_initial_call=True,
)
@or_else(lambda error, _, values, *__: (no_update, parts.failed(error), [no_update] * len(values)))
async def submit(clicks: int | None, values: Any, flags: Any, name: str, tags: list[str]) -> Any:
    """Queue the job and go to its page; or say at each field what is wrong."""
    if not clicks:
        return no_update, no_update, [no_update] * len(values)
    request = _request(await visitor().catalog(), name, tags)
    job, error = await tried(visitor().create(request))
    if job is None:
        fields, rest = _placed(request, error)
        return no_update, rest, fields
    return f"/jobs/{job['id']}", None, [None] * len(values)


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
)
