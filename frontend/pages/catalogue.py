"""Catalogue: a card for every entry, with its equation, paper and parameters."""

from __future__ import annotations

from typing import Any

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import ids, parts
from frontend.api import Entry, visitor
from frontend.refusals import or_else
from frontend.views import entries, finding

dash.register_page(__name__, path="/catalogue", title="Catalogue – Normscope", order=9)

KINDS = {
    "method": "Methods",
    "attack": "Attacks",
    "diagnostic": "Diagnostics",
    "dataset": "Data sets",
    "model": "Networks",
    "optimizer": "Optimizers",
    "preset": "Presets",
}


def layout(q: str = "", kind: str = "all", **_: Any) -> Component:
    search = dmc.TextInput(
        id=ids.CATALOGUE_SEARCH,
        value=q,
        placeholder="Search names, equations, papers, parameters",
        debounce=200,
        size="sm",
        inputProps={"data-search": "true"},
        **{"aria-label": "Search the catalogue"},
    )
    kinds = dmc.ChipGroup(
        [
            dmc.Chip(label, value=name, size="sm", radius="md")
            for name, label in {"all": "All", **KINDS}.items()
        ],
        id=ids.CATALOGUE_KIND,
        value=kind if kind in KINDS else "all",
        multiple=False,
    )
    return html.Div(
        [
            parts.header(
                "Catalogue",
                under=html.P(
                    "Everything a job can be made of: what it computes, where it comes from, and "
                    "its parameters.",
                    className="lead",
                ),
            ),
            html.Div([search, html.Div(kinds, className="chips")], className="catalogue-filters"),
            *[dcc.Store(id=store) for store in (ids.CATALOGUE_CARDS, ids.CATALOGUE_FOUND)],
            html.Div(id=ids.CATALOGUE_FAILED),
            html.Div(parts.skeleton(140), id=ids.CATALOGUE_LOADING),
            html.Div(id=ids.CATALOGUE_LIST, **{"aria-live": "polite"}),
        ]
    )


@callback(
    Output(ids.CATALOGUE_CARDS, "data"),
    Output(ids.CATALOGUE_FAILED, "children"),
    Output(ids.CATALOGUE_LOADING, "children"),
    Input(ids.CATALOGUE_LIST, "id"),
)
@or_else(lambda error, _: (None, parts.failed(error), None))
async def fill(_: str) -> Any:
    """Every card, once. A script draws them: Dash takes seconds for so many components."""
    catalog = await visitor().catalog()
    cards = [entries.card(entry) for entry in catalog["entries"] if entry["kind"] in KINDS]
    return {"kinds": KINDS, "cards": cards}, None, None


@callback(
    Output(ids.CATALOGUE_FOUND, "data"),
    Input(ids.CATALOGUE_SEARCH, "value"),
    Input(ids.CATALOGUE_KIND, "value"),
)
@or_else(lambda *_: None)
async def find(q: str | None, kind: str | None) -> Any:
    catalog = await visitor().catalog()
    return {"q": q or "", "found": listed(catalog["entries"], q or "", kind or "all")}


def listed(entries: list[Entry], q: str, kind: str) -> list[str]:
    """The entries that match, as kind/name, best first."""
    asked = [one for one in entries if one["kind"] in KINDS and kind in ("all", one["kind"])]
    return [f"{one['kind']}/{one['name']}" for one in finding.found(asked, q)]


clientside_callback(
    ClientsideFunction("catalogue", "draw"),
    Output(ids.CATALOGUE_LIST, "title"),
    Input(ids.CATALOGUE_CARDS, "data"),
    Input(ids.CATALOGUE_FOUND, "data"),
)
clientside_callback(
    ClientsideFunction("shell", "address"),
    Output(ids.CATALOGUE_SEARCH, "id"),
    Input(ids.CATALOGUE_SEARCH, "value"),
    Input(ids.CATALOGUE_KIND, "value"),
    prevent_initial_call=True,
)
