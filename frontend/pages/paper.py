"""One paper: its idea and equation, what of it was read, and its claims put to the test."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import parts
from frontend.api import Api, Claim, Paper, visitor
from frontend.refusals import or_else, tried
from frontend.views import claims
from frontend.views.plotcard import furniture

ASKED, PAGE, LIVE = "paper-asked", "paper-page", "paper-live"
CRUMBS = [("Papers", "/papers")]
MATHML = '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">{}</math>'

dash.register_page(__name__, path_template="/papers/<paper>", title="Paper – Normscope")


def layout(paper: str = "", **_: Any) -> Component:
    return html.Div(
        [
            dcc.Store(id=ASKED, data=paper),
            dcc.Store(id=LIVE),
            html.Div([parts.header("Paper", crumbs=CRUMBS), parts.skeleton(300)], id=PAGE),
            *furniture(),
        ]
    )


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
@or_else(lambda error, _: [parts.header("Paper", crumbs=CRUMBS), parts.failed(error)])
async def fill(name: str) -> Any:
    """The page without its numbers; the script fills them in and renews them."""
    api = visitor()
    papers = await api.papers(name=name) if name else []
    if not papers:
        every = parts.button_link("All papers", "/papers", filled=True)
        return [
            parts.header("Paper", crumbs=CRUMBS),
            parts.empty("There is no paper of this name here.", every),
        ]
    found = papers[0]
    costs = await asyncio.gather(*(_cost(api, claim) for claim in found["claims"]))
    told = {"paper": name, "claims": found["claims"]}
    return html.Div(
        [
            _head(found),
            _summary(found),
            *(claims.section(one, cost) for one, cost in zip(found["claims"], costs, strict=True)),
        ],
        id="paper",
        **{"data-paper": json.dumps(told)},
    )


async def _cost(api: Api, claim: Claim) -> str:
    cost, _ = await tried(api.claim_cost(claim["name"]))
    return claims.cost(cost)


def _head(paper: Paper) -> Component:
    link = html.A(
        f"arXiv:{paper['arxiv']}",
        href=f"https://arxiv.org/abs/{paper['arxiv']}",
        rel="noreferrer",
        target="_blank",
    )
    return parts.header(
        paper["short"],
        crumbs=[*CRUMBS, (paper["short"], "")],
        under=html.P([f"{paper['title']}. {paper['authors']}, ", link], className="lead"),
    )


def _summary(paper: Paper) -> Component:
    equation = {"data-math": MATHML.format(paper["equation"]), "aria-label": paper["spoken"]}
    return html.Div(
        [
            parts.card(html.P(paper["idea"], className="paper-idea"), title="The idea"),
            parts.card(
                [
                    html.Div(className="equation paper-equation", role="img", **equation),
                    html.P([html.Strong("What was read. "), paper["read"]], className="about"),
                ],
                title="The equation",
            ),
        ],
        className="paper-summary",
    )


clientside_callback(
    ClientsideFunction("papers", "start"),
    Output(LIVE, "data"),
    Input(PAGE, "children"),
)
