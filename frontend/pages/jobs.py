"""Jobs: every job in one table, live, filtered and sorted by the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import (
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    ctx,
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import ids, parts
from frontend.api import ApiError, visitor
from frontend.views import jobsgrid

dash.register_page(__name__, path="/jobs", title="Jobs – Normscope", order=2)

STATES = ["queued", "running", "interrupted", "succeeded", "failed", "cancelled"]
ENDED = {"succeeded", "failed", "cancelled"}
KINDS = ["train", "attack", "diagnose"]


def layout(
    q: str = "",
    state: str = "",
    kind: str = "",
    tag: str = "",
    sort: str = "-created_at",
    **_: Any,
) -> Component:
    launch = parts.button_link("Launch a job", "/launch", filled=True)
    table = html.Div([_filters(q, state, kind, tag), jobsgrid.grid(sort)], id="jobs-table")
    nothing = parts.card(
        parts.empty("Every job you launch is listed here, with its last values.", launch)
    )
    return html.Div(
        [
            parts.header(
                "Jobs",
                actions=[parts.button_link("Sweeps", "/sweeps"), *_actions(), launch],
            ),
            html.Div(id=ids.JOBS_TOLD, role="status", className="told"),
            html.Div(nothing, id=ids.JOBS_EMPTY, hidden=True),
            table,
            _question(),
        ]
    )


def _actions() -> list[Component]:
    """What can be done with the selected jobs; disabled until there are some."""
    return [
        html.Button(
            "Compare",
            id=ids.JOBS_COMPARE,
            disabled=True,
            className="plain-button",
            title="select two trainings or more",
        ),
        html.Button("Cancel", id=ids.JOBS_CANCEL, disabled=True, className="plain-button"),
        html.Button("Delete", id=ids.JOBS_DELETE, disabled=True, className="plain-button danger"),
    ]


def _filters(q: str, state: str, kind: str, tag: str) -> Component:
    search = dmc.TextInput(
        id=ids.JOBS_SEARCH,
        value=q,
        placeholder="Search names, tags, specs",
        size="sm",
        inputProps={"data-search": "true"},
        **{"aria-label": "Search jobs"},
    )
    states = dmc.MultiSelect(
        id=ids.JOBS_STATE,
        data=STATES,
        value=[name for name in state.split(",") if name in STATES],
        placeholder="" if state else "Any state",
        clearable=True,
        size="sm",
        **{"aria-label": "State"},
    )
    kinds = dmc.SegmentedControl(
        id=ids.JOBS_KIND,
        data=["all", *KINDS],
        value=kind if kind in KINDS else "all",
        size="sm",
        **{"aria-label": "Kind"},
    )
    tags = dmc.TextInput(
        id=ids.JOBS_TAG,
        value=tag,
        placeholder="Tag",
        size="sm",
        **{"aria-label": "Tag"},
    )
    return html.Div([search, states, tags, kinds], className="filters", role="search")


def _question() -> Component:
    """Deleting asks first."""
    return dmc.Modal(
        [
            html.P(id=ids.JOBS_CONFIRM_TEXT),
            html.Div(
                [
                    html.Button("Keep", id=ids.JOBS_CONFIRM_NO, className="plain-button"),
                    html.Button("Delete", id=ids.JOBS_CONFIRM_YES, className="plain-button danger"),
                ],
                className="actions",
            ),
        ],
        id=ids.JOBS_CONFIRM,
        title="Delete jobs",
        opened=False,
        size="sm",
        centered=True,
    )


clientside_callback(
    ClientsideFunction("jobs", "look"),
    Output(ids.JOBS_GRID, "id"),
    Input(ids.JOBS_SEARCH, "value"),
    Input(ids.JOBS_STATE, "value"),
    Input(ids.JOBS_KIND, "value"),
    Input(ids.JOBS_TAG, "value"),
)
clientside_callback(
    ClientsideFunction("jobs", "ready"),
    Output(ids.JOBS_GRID, "getRowsResponse"),
    Input(ids.JOBS_GRID, "getRowsRequest"),
)
clientside_callback(
    ClientsideFunction("jobs", "done"),
    Output(ids.JOBS_TOLD, "id"),
    Input(ids.JOBS_TOLD, "children"),
    prevent_initial_call=True,
)


@callback(
    Output(ids.JOBS_CANCEL, "disabled"),
    Output(ids.JOBS_DELETE, "disabled"),
    Output(ids.JOBS_COMPARE, "disabled"),
    Input(ids.JOBS_GRID, "selectedRows"),
)
def selected(rows: list[dict[str, Any]] | None) -> tuple[bool, bool, bool]:
    """Running jobs can be cancelled, ended ones deleted, two or more trainings compared."""
    ended = [row["state"] in ENDED for row in rows or []]
    return all(ended), not any(ended), len(_trainings(rows)) < 2


def _trainings(rows: list[dict[str, Any]] | None) -> list[str]:
    return [row["id"] for row in rows or [] if row["kind"] == "train"]


@callback(
    Output(ids.GO, "href", allow_duplicate=True),
    Input(ids.JOBS_COMPARE, "n_clicks"),
    State(ids.JOBS_GRID, "selectedRows"),
    prevent_initial_call=True,
)
def compare(clicks: int | None, rows: list[dict[str, Any]] | None) -> Any:
    return f"/compare?jobs={','.join(_trainings(rows))}" if clicks else no_update


@callback(
    Output(ids.JOBS_CONFIRM, "opened"),
    Output(ids.JOBS_CONFIRM_TEXT, "children"),
    Input(ids.JOBS_DELETE, "n_clicks"),
    Input(ids.JOBS_CONFIRM_NO, "n_clicks"),
    Input(ids.JOBS_CONFIRM_YES, "n_clicks"),
    State(ids.JOBS_GRID, "selectedRows"),
    prevent_initial_call=True,
)
def ask(*given: Any) -> Any:
    if ctx.triggered_id != ids.JOBS_DELETE:
        return False, no_update
    ended = [row for row in given[-1] or [] if row["state"] in ENDED]
    names = ", ".join(row["name"] or row["id"] for row in ended[:3])
    more = f" and {len(ended) - 3} more" if len(ended) > 3 else ""
    return True, f"{names}{more}: their curves, checkpoints and files go with them."


@callback(
    Output(ids.JOBS_TOLD, "children"),
    Input(ids.JOBS_CANCEL, "n_clicks"),
    Input(ids.JOBS_CONFIRM_YES, "n_clicks"),
    State(ids.JOBS_GRID, "selectedRows"),
    prevent_initial_call=True,
)
async def act(cancel: int | None, delete: int | None, rows: list[dict[str, Any]] | None) -> Any:
    """Cancel or delete the selected jobs that can be; say what happened."""
    api, deleting = visitor(), ctx.triggered_id == ids.JOBS_CONFIRM_YES
    chosen = [row["id"] for row in rows or [] if (row["state"] in ENDED) == deleting]
    if not chosen:
        return no_update
    failed = await _each(api.delete if deleting else api.cancel, chosen)
    word = "Deleted" if deleting else "Asked to cancel"
    done = len(chosen) - len(failed)
    sentence = f"{word} {done} {'job' if done == 1 else 'jobs'}."
    return [html.Span(sentence), *[html.Span(f" {reason}") for reason in failed]]


async def _each(call: Callable[[str], Awaitable[None]], jobs: list[str]) -> list[str]:
    """Call for every job; the sentences of those that were refused."""
    found = await asyncio.gather(*(call(job) for job in jobs), return_exceptions=True)
    for problem in found:
        if isinstance(problem, BaseException) and not isinstance(problem, ApiError):
            raise problem
    return sorted({error.sentence for error in found if isinstance(error, ApiError)})
