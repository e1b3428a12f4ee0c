"""Home: what this is, three ways in, what ran last, who computes."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from frontend import ids, parts, specs, words
from frontend.api import Catalog, Entry, Job, Worker, visitor
from frontend.refusals import or_else

dash.register_page(__name__, path="/", title="Normscope", order=0)

LEAD = (
    "A network computes the same function when one layer's weights are doubled and the next "
    "layer's halved, yet weight decay calls the two different. Train networks under penalties "
    "that see through such shifts and under ones that do not, watch their norms, bounds and "
    "input gradients while they train, and attack what comes out."
)


def layout(**_: Any) -> Component:
    start = parts.button_link("Launch a job", "/launch", filled=True)
    return html.Div(
        [
            dcc.Store(id=ids.HOME_SHOWN, data=True),
            parts.header(
                "How weight norms shape generalization and robustness",
                actions=start,
                under=html.P(LEAD, className="lead"),
            ),
            html.Div([parts.skeleton(130)] * 3, id=ids.HOME_PRESETS, className="guides"),
            html.Div(
                [
                    html.Div(parts.skeleton(220), id=ids.HOME_RECENT),
                    html.Div(parts.skeleton(100), id=ids.HOME_WORKERS),
                ],
                className="home-lower",
            ),
        ]
    )


@callback(
    Output(ids.HOME_PRESETS, "children"),
    Output(ids.HOME_RECENT, "children"),
    Output(ids.HOME_WORKERS, "children"),
    Input(ids.HOME_SHOWN, "data"),
)
@or_else(lambda error, _: (parts.failed(error), None, None))
async def fill(_: bool) -> Any:
    api = visitor()
    catalog, jobs, workers = await api.catalog(), await api.jobs(limit=8), await api.workers()
    return guides(catalog), recent(jobs["items"]), alive(workers)


def guides(catalog: Catalog) -> list[Component]:
    """The presets as cards that say what one will see, and what it costs."""
    return [_guide(entry) for entry in specs.of_kind(catalog, "preset")]


def _guide(entry: Entry) -> Component:
    facts = entry["facts"]
    expected = facts.get("expected") or facts.get("claim")
    return dcc.Link(
        html.Section(
            [
                html.H2(entry["title"]),
                html.P(entry["summary"], className="about"),
                html.P(["You should see: ", expected], className="expected") if expected else None,
                html.Span(words.cost(facts.get("cost")), className="cost"),
            ],
            className="card guide",
        ),
        href=f"/launch?preset={entry['name']}",
        className="guide-link",
    )


def recent(jobs: list[Job]) -> Component:
    if not jobs:
        nothing = parts.empty(
            "No job yet. A preset above takes seconds on a CPU.",
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
            html.Td(dcc.Link(job["name"] or job["id"], href=f"/jobs/{job['id']}")),
            html.Td(parts.state_badge(job["state"])),
            html.Td(told, className="number soft"),
            html.Td(words.ago(job["created_at"]), className="number soft"),
        ]
    )


def alive(workers: list[Worker]) -> Component:
    if not workers:
        sentence = "No worker is alive: jobs wait. Start one where Normscope is installed:"
        body: list[Any] = [html.P(sentence), html.Pre("python -m worker.serve")]
    else:
        body = [
            html.Table(
                html.Tbody([_worker(worker) for worker in workers]), className="recent workers"
            )
        ]
    return parts.card(body, title="Workers", about="the processes that compute")


def _worker(worker: Worker) -> Component:
    job = worker.get("job")
    doing = dcc.Link("busy", href=f"/jobs/{job}") if job else worker["state"]
    device = worker["device"].upper() if len(worker["device"]) < 5 else worker["device"]
    return html.Tr([html.Td(worker["name"], className="clip"), html.Td(device), html.Td(doing)])
