"""Papers: what each one says, and how its claims fare on this machine."""

from __future__ import annotations

from typing import Any

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from frontend import parts
from frontend.api import Paper, visitor
from frontend.refusals import or_else
from frontend.views import claims

PATH = "/papers"
ASKED, PAGE = "papers-asked", "papers-page"
LEAD = (
    "What papers say about norms, generalization and robustness, and experiments that test it "
    "here. Every verdict comes from the runs on this machine, and none from a text."
)

dash.register_page(__name__, path=PATH, title="Papers – Normscope")


def layout(**_: Any) -> Component:
    return html.Div(
        [
            dcc.Store(id=ASKED, data=True),
            parts.header("Papers", under=html.P(LEAD, className="lead")),
            html.Div([parts.skeleton(220)] * 4, id=PAGE, className="papers"),
        ]
    )


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
@or_else(lambda error, _: parts.failed(error))
async def fill(_: bool) -> Any:
    return [listed(paper) for paper in await visitor().papers()]


def listed(paper: Paper) -> Component:
    """A paper as a card that leads to its page: the idea, and each claim with its verdict."""
    rows = [
        html.Li([html.Span(claim["title"]), claims.badge(claim)], className="papers-claim")
        for claim in paper["claims"]
    ]
    return dcc.Link(
        html.Section(
            [
                html.H2(paper["short"]),
                html.P(f"{paper['authors']} · arXiv:{paper['arxiv']}", className="about"),
                html.P(paper["idea"], className="papers-idea"),
                html.Ul(rows),
            ],
            className="card guide",
        ),
        href=f"{PATH}/{paper['name']}",
        className="guide-link",
    )
