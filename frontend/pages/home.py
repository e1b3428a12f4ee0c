"""Home: what this is, three experiments to begin with, what ran last, who computes."""

from __future__ import annotations

import asyncio
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import ids, parts, words
from frontend.api import Job, visitor
from frontend.refusals import or_else
from frontend.views import guides
from frontend.views.called import called

dash.register_page(__name__, path="/", title="Normscope", order=0)

LEAD = (
    "A network computes the same function when one layer’s weights are doubled and the next "
    "layer’s halved, yet weight decay calls the two different. Train networks under penalties "
    "that see through such shifts and under ones that do not, watch their norms, bounds and "
    "input gradients while they train, and attack what comes out."
)
FURTHER = [
    "Then: ",
    dcc.Link("test what papers claim", href="/papers"),
    ", start ",
    dcc.Link("a larger experiment", href="/launch"),
    ", or see ",
    dcc.Link("every method, attack and measure", href="/catalogue"),
    " there is.",
]


def layout(**_: Any) -> Component:
    start = parts.button_link("Launch a job", "/launch")
    return html.Div(
        [
            dcc.Store(id=ids.HOME_SHOWN, data=True),
            parts.header(
                "How weight norms shape generalization and robustness",
                actions=start,
                under=html.P(LEAD, className="lead"),
            ),
            html.Div([parts.skeleton(184)] * 3, id=ids.HOME_PRESETS, className="guides"),
            html.P(FURTHER, className="further"),
            html.Div(
                [
                    html.Div(parts.skeleton(220), id=ids.HOME_RECENT),
                    parts.card(
                        html.Div(id=ids.HOME_WORKERS),
                        title="Workers",
                        about="the processes that compute",
                    ),
                ],
                className="home-lower",
            ),
        ]
    )


@callback(
    Output(ids.HOME_PRESETS, "children"),
    Output(ids.HOME_RECENT, "children"),
    Input(ids.HOME_SHOWN, "data"),
)
@or_else(lambda error, _: (parts.failed(error), None))
async def fill(_: bool) -> Any:
    api = visitor()
    catalog, jobs, known = await asyncio.gather(
        api.catalog(),
        api.jobs(limit=8),
        api.jobs(kind="train", state="succeeded", tag=guides.PRESET, limit=50),
    )
    return guides.cards(catalog, known["items"]), recent(jobs["items"])


def recent(jobs: list[Job]) -> Component:
    if not jobs:
        nothing = parts.empty(
            "No job yet. Each experiment above takes seconds on a CPU.",
            parts.button_link("Launch a job", "/launch"),
        )
        return parts.card(nothing, title="Recent jobs")
    rows = [_recent(job) for job in jobs]
    every = dcc.Link("All jobs", href="/jobs")
    table = html.Table(html.Tbody(rows), className="recent")
    return parts.card(table, title="Recent jobs", tools=every)


def _recent(job: Job) -> Component:
    accuracy = job["summary"].get("test/accuracy")
    told = f"{words.percent(accuracy)} on the test set" if accuracy is not None else ""
    return html.Tr(
        [
            html.Td(dcc.Link(called(job), href=f"/jobs/{job['id']}")),
            html.Td(parts.state_badge(job["state"])),
            html.Td(told, className="number soft"),
            html.Td(words.ago(job["created_at"]), className="number soft"),
        ]
    )


# The rail's foot and this card are told by one script: they say the same.
clientside_callback(
    ClientsideFunction("workers", "show"),
    Output(ids.HOME_WORKERS, "id"),
    Input(ids.HOME_SHOWN, "data"),
)
