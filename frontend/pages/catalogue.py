"""Catalogue: a card for every entry, with its equation, paper and parameters."""

from __future__ import annotations

import re
from typing import Any

import dash
import dash_mantine_components as dmc
from dash import (
    MATCH,
    ClientsideFunction,
    Input,
    Output,
    State,
    callback,
    clientside_callback,
    html,
    no_update,
)
from dash.development.base_component import Component

from frontend import ids, parts, specs, words
from frontend.api import Entry, visitor
from frontend.forms import allowed
from frontend.refusals import or_else
from frontend.views import finding

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
WHOLE = 6
"""So many entries are shown with all that is known of them; of more, each is folded."""

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")


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
            html.Div([parts.skeleton(140)] * 4, id=ids.CATALOGUE_LIST),
        ]
    )


@callback(
    Output(ids.CATALOGUE_LIST, "children"),
    Input(ids.CATALOGUE_SEARCH, "value"),
    Input(ids.CATALOGUE_KIND, "value"),
)
@or_else(lambda error, *_: parts.failed(error))
async def show(q: str | None, kind: str | None) -> Any:
    catalog = await visitor().catalog()
    return listed(catalog["entries"], q or "", kind or "all")


clientside_callback(
    ClientsideFunction("shell", "address"),
    Output(ids.CATALOGUE_SEARCH, "id"),
    Input(ids.CATALOGUE_SEARCH, "value"),
    Input(ids.CATALOGUE_KIND, "value"),
    prevent_initial_call=True,
)


def listed(entries: list[Entry], q: str, kind: str) -> Component | list[Component]:
    """The entries that match by kind, best first; one sentence where none does."""
    found = finding.found([one for one in entries if kind in ("all", one["kind"])], q)
    if not found:
        return parts.empty(f"Nothing in the catalogue matches “{q}”.")
    kinds = dict.fromkeys(entry["kind"] for entry in found) if q else KINDS
    groups = {name: [entry for entry in found if entry["kind"] == name] for name in kinds}
    whole = len(found) <= WHOLE
    return [
        html.Section(
            [
                html.H2([KINDS[name], html.Span(len(group), className="count")]),
                html.Div([entry_card(entry, whole=whole) for entry in group], className="entries"),
            ],
            className="entry-group",
        )
        for name, group in groups.items()
        if group
    ]


def entry_card(entry: Entry, *, whole: bool = True) -> Component:
    """The card; of many, each with its equation and parameters folded until somebody looks."""
    head = html.Div(
        [
            html.H3(entry["title"]),
            html.Code(entry["name"], className="soft"),
            _invariance(entry["invariant"]),
        ],
        className="entry-head",
    )
    return html.Article(
        [
            head,
            html.P(entry["summary"], className="entry-summary"),
            _paper(entry["paper"]),
            *(inside(entry) if whole else [_fold(entry)]),
        ],
        className="card entry",
        id=f"{entry['kind']}-{entry['name']}",
    )


def inside(entry: Entry) -> list[Component | None]:
    """What the entry computes, and its parameters."""
    preset = _preset(entry) if entry["kind"] == "preset" else None
    return [*_help(entry["help"]), preset, _parameters(entry)]


def _fold(entry: Entry) -> Component:
    """Empty until it is opened: hundreds of tables at once stop a browser for a minute."""
    key = f"{entry['kind']}/{entry['name']}"
    count = len(specs.parameters(entry))
    told = f"Definition, {count} parameter{'s' * (count != 1)}" if count else "Definition"
    place = html.Div(id=ids.entry_inside(key))
    return html.Details(
        [html.Summary(told), place], id=ids.entry_fold(key), className="folded", n_clicks=0
    )


@callback(
    Output(ids.entry_inside(MATCH), "children"),
    Input(ids.entry_fold(MATCH), "n_clicks"),
    State(ids.entry_inside(MATCH), "id"),
    prevent_initial_call=True,
)
@or_else(lambda error, *_: parts.failed(error))
async def unfold(clicks: int, place: dict[str, str]) -> Any:
    kind, _, name = place["entry"].partition("/")
    entry = specs.find(await visitor().catalog(), kind, name)
    return inside(entry) if entry else no_update


def _invariance(invariant: bool | None) -> Component | None:
    """Whether the entry's number survives shifts of scale between layers."""
    if invariant is None:
        return None
    word, color = ("invariant", "teal") if invariant else ("moves", "orange")
    told = (
        "a shift of scale between layers leaves it as it is"
        if invariant
        else ("a shift of scale between layers changes it, though not the function")
    )
    return html.Span(word, className=f"state state-{color}", title=told)


def _help(text: str) -> list[Component]:
    """Paragraphs; indented lines and lines of an equation keep their breaks."""
    return [
        html.P(parts.marked(block), className="help formula" if _is_equation(block) else "help")
        for block in re.split(r"\n\s*\n", text)
        if block.strip()
    ]


def _is_equation(block: str) -> bool:
    if ". " in block:
        return False
    lines = block.splitlines()
    return sum(" = " in line or "←" in line or "→" in line for line in lines) * 2 >= len(lines)


def _paper(paper: str) -> Component | None:
    if not paper:
        return None
    found = ARXIV.search(paper)
    if not found:
        return html.P(paper, className="paper")
    link = html.A(
        found[0],
        href=f"https://arxiv.org/abs/{found[1]}",
        target="_blank",
        rel="noreferrer",
    )
    return html.P([paper[: found.start()], link, paper[found.end() :]], className="paper")


def _preset(entry: Entry) -> Component:
    facts = entry["facts"]
    told = [html.P(facts[key], className="help") for key in ("claim", "expected") if facts.get(key)]
    link = parts.button_link("Open in the form", f"/launch?preset={entry['name']}")
    return html.Div([*told, html.P(words.cost(facts.get("cost")), className="paper"), link])


def _parameters(entry: Entry) -> Component | None:
    found = specs.parameters(entry)
    if not found:
        return None
    names = ("Parameter", "Default", "Range", "What")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    rows = [_parameter(name, schema) for name, schema in found.items()]
    return html.Div(
        html.Table([head, html.Tbody(rows)], className="parameters"),
        className="scroll",
        tabIndex=0,
        role="region",
        **{"aria-label": f"Parameters of {entry['title']}"},
    )


def _parameter(name: str, schema: dict[str, Any]) -> Component:
    kind = {"number": "real", "integer": "whole", "boolean": "switch", "array": "list"}
    type_ = kind.get(schema.get("type", ""), "choice")
    limit = schema.get("warn_from")
    warned = f"; trouble is known from {specs.text(limit)} on" if limit is not None else ""
    return html.Tr(
        [
            html.Th([html.Code(name), html.Span(type_, className="type")], scope="row"),
            html.Td(html.Code(specs.text(schema.get("default")) or "required")),
            html.Td(allowed(schema)),
            html.Td(parts.marked(f"{schema.get('description') or ''}{warned}")),
        ]
    )
