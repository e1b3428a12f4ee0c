"""The sweeps there are, newest first."""

from __future__ import annotations

import asyncio
from typing import Any

import dash
from dash import Input, Output, callback, dcc, html
from dash.development.base_component import Component

from frontend import parts, words
from frontend.api import visitor
from frontend.refusals import or_else
from frontend.views import fields, load

PAGE, ASKED = "sweeps-page", "sweeps-asked"

dash.register_page(__name__, path="/sweeps", title="Sweeps – Normscope")


def layout(**_: Any) -> Component:
    return html.Div(
        [
            parts.header("Sweeps", crumbs=[("Jobs", "/jobs"), ("sweeps", "")]),
            dcc.Store(id=ASKED, data=1),
            html.Div(parts.skeleton(200), id=PAGE),
        ]
    )


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
@or_else(lambda error, _: parts.failed(error))
async def fill(_: Any) -> Component:
    api = visitor()
    sweeps, catalog = await asyncio.gather(api.sweeps(), load.catalogue(api))
    titles = fields.titles(catalog)
    if not sweeps:
        launch = parts.button_link("Launch one", "/launch", filled=True)
        return parts.empty("A sweep runs a job for every combination of values you give.", launch)
    heads = [html.Th(word, scope="col") for word in ("Sweep", "Fields", "Jobs", "Done", "Created")]
    table = html.Table(
        [html.Thead(html.Tr(heads)), html.Tbody([_row(sweep, titles) for sweep in sweeps])],
        className="plain-table sweeps-table",
    )
    return parts.card(html.Div(table, className="table-place", tabIndex=0))


def _row(sweep: dict[str, Any], titles: fields.Titles) -> Component:
    swept = ", ".join(fields.swept(path, sweep["base"], titles) for path in sweep["grid"])
    counts = ", ".join(f"{count} {state}" for state, count in sweep["counts"].items())
    return html.Tr(
        [
            html.Td(dcc.Link(sweep["name"], href=f"/sweeps/{sweep['id']}")),
            html.Td(swept, className="about"),
            html.Td(counts),
            html.Td(f"{100 * sweep['done']:.0f} %", className="number"),
            html.Td(words.ago(sweep["created_at"]), className="about"),
        ]
    )
