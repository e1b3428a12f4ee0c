"""The parts that every page is made of: header, card, figures, badge, empty and failed states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend.api import ApiError

Content = Any
"""Text, a component, or a list of either, as Dash takes for children."""

STATE_COLORS = {
    "queued": "gray",
    "running": "indigo",
    "succeeded": "teal",
    "failed": "red",
    "cancelled": "gray",
    "interrupted": "orange",
}


def header(
    title: Content,
    *,
    crumbs: Sequence[tuple[str, str]] = (),
    badge: Content = None,
    facts: Content = None,
    actions: Content = None,
    under: Content = None,
) -> Component:
    """The head of a page: breadcrumb (label, href), title, state, a grey line, actions."""
    trail: list[Any] = []
    for label, href in crumbs:
        trail += [dcc.Link(label, href=href) if href else label, " / "]
    line = [html.H1(title), badge, html.Span(facts, className="facts") if facts else None]
    left = [
        html.Nav(trail[:-1], className="crumbs", **{"aria-label": "Breadcrumb"}) if trail else None,
        html.Div(line, className="title-line"),
        under,
    ]
    return html.Header(
        [html.Div(left, className="page-title"), html.Div(actions, className="actions")],
        className="page-head",
    )


def card(
    children: Content = None,
    *,
    title: Content = None,
    about: Content = None,
    tools: Content = None,
    id: Any = None,
    className: str = "",
) -> Component:
    """A bordered card: title, one grey line, tools at the right, content."""
    head = None
    if title is not None or tools is not None:
        words = [
            html.H2(title) if title else None,
            html.P(about, className="about") if about else None,
        ]
        head = html.Div(
            [html.Div(words), html.Div(tools, className="tools") if tools else None],
            className="card-head",
        )
    body: list[Any]
    body = [] if children is None else children if isinstance(children, list) else [children]
    named = {"id": id} if id is not None else {}
    return html.Section([head, *body], className=f"card {className}".strip(), **named)


def figure(label: str, value: Content, context: Content = None, id: Any = None) -> Component:
    """One number of the row above the plots: label, value, a line of context."""
    named = {"id": id} if id is not None else {}
    return html.Div(
        [
            html.Div(label, className="figure-label"),
            html.Div(value, className="figure-value"),
            html.Div(context, className="figure-context"),
        ],
        className="card figure",
        **named,
    )


def figures(children: Sequence[Component], id: Any = None) -> Component:
    named = {"id": id} if id is not None else {}
    return html.Div(list(children), className="figures", **named)


def marked(text: str) -> list[Any]:
    """A text whose `code` in backticks is set as code."""
    return [
        html.Code(part) if index % 2 else part for index, part in enumerate(text.split("`")) if part
    ]


def state_badge(state: str, id: Any = None) -> Component:
    """The state as a word; its colour only repeats it."""
    named = {"id": id} if id is not None else {}
    return html.Span(state, className=f"state state-{STATE_COLORS.get(state, 'gray')}", **named)


def empty(sentence: str, action: Content = None) -> Component:
    """What would be here, and the button that makes it."""
    return html.Div([html.P(sentence), action], className="empty")


def nothing(what: str, do: str) -> Component:
    """A card in place of plots that nobody has asked for yet: what will be here, what to do."""
    return card(html.Div([html.P(what), html.P(html.Strong(do))], className="empty"))


def failed(error: ApiError | str, again: Content = None) -> Component:
    """What happened and what to do; shown where the content would be."""
    problem = error if isinstance(error, ApiError) else ApiError(0, error)
    title, detail = problem.title, problem.detail
    return html.Div(
        [html.Strong(title), html.P(detail) if detail else None, again],
        className="failed away" if problem.status == 503 else "failed",  # shell.js tries again
        role="alert",
    )


def skeleton(height: int = 120) -> Component:
    """A card that is still loading."""
    return html.Div(
        dmc.Skeleton(height=height, animate=True),
        className="card",
        **{"aria-busy": "true", "aria-label": "Loading"},
    )


def button_link(label: str, href: str, *, filled: bool = False, id: Any = None) -> Component:
    """A link that looks like a button."""
    named = {"id": id} if id is not None else {}
    return dcc.Link(label, href=href, className="button filled" if filled else "button", **named)
