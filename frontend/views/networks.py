"""Trained networks to choose from, for the labs that look at one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts
from frontend.api import Api, Job
from frontend.views import head
from frontend.views.called import called

MOST = 50


async def trained(api: Api) -> list[Job]:
    """The networks there are, newest first."""
    found = await api.jobs(kind="train", state="succeeded", sort="-created_at", limit=MOST)
    return found["items"]


def alike(job: Job, jobs: Sequence[Job]) -> list[Job]:
    """Other networks of the same data, to set beside a job's."""
    data = job["spec"].get("dataset")
    return [one for one in jobs if one["id"] != job["id"] and one["spec"].get("dataset") == data]


async def choice(
    api: Api, path: str, nothing: str, mark: Callable[[Job], str] = lambda _: ""
) -> Component:
    """A list that leads to `path`?job=…; where there is none, the sentence `nothing`. What `mark`
    says of a network stands at its name."""
    jobs = await trained(api)
    if not jobs:
        return parts.empty(nothing, parts.button_link("Train one", "/launch", filled=True))
    rows = [
        html.Tr(
            [
                html.Td([dcc.Link(called(job), href=f"{path}?job={job['id']}"), _tag(mark(job))]),
                html.Td(head.what(job), className="about"),
            ]
        )
        for job in jobs
    ]
    return parts.card(
        html.Table(html.Tbody(rows), className="plain-table"), title="Choose a trained network"
    )


def _tag(words: str) -> Component | None:
    return html.Span(words, className="tag after-name") if words else None
