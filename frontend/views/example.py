"""One example under attack, answered while a slider moves: the top of the attack lab."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend.api import Catalog, Job
from frontend.plots import theme as themes
from frontend.views.plotcard import plot_card

PLACE = "example"
FIRST = "pgd"
STEPS = {"back": "Previous", "next": "Next", "any": "Random"}


def example(catalog: Catalog, job: Job, others: Sequence[Job], scheme: str) -> Component:
    """The controls, the pictures' places and two empty plots; the page's script fills them."""
    look = themes.theme(scheme)
    attacks = _attacks(catalog)
    bars = themes.figure(
        look,
        [],
        xaxis=themes.axis(look, "class", type="category"),
        yaxis=themes.axis(look, "probability", range=[0, 1]),
        barmode="group",
    )
    looks = themes.figure(
        look,
        [],
        xaxis=themes.axis(look, "look at the network", rangemode="tozero"),
        yaxis=themes.axis(look, "probability", range=[0, 1]),
    )
    return html.Div(
        [
            html.Section(
                [_head(), _controls(attacks, others), _pictures()],
                className="card example-card",
                **{"aria-label": "One example under attack"},
            ),
            plot_card("example-bars", "Class probabilities", "this example", bars),
            plot_card("example-looks", "Along the attack", "true class and class taken", looks),
        ],
        id=PLACE,
        className="example",
        **{"data-example": json.dumps({"job": job["id"], "attacks": attacks})},
    )


def _attacks(catalog: Catalog) -> list[dict[str, Any]]:
    """The attacks on inputs, with the budgets that their cards suggest."""
    found = []
    for entry in catalog["entries"]:
        facts = entry.get("facts") or {}
        if entry["kind"] != "attack" or facts.get("moves") != "inputs" or facts.get("transfers"):
            continue
        properties = (entry.get("schema") or {}).get("properties", {})
        found.append(
            {
                "name": entry["name"],
                "title": entry["title"],
                "budgets": facts.get("budgets", []),
                "norms": (properties.get("norm") or {}).get("enum", []),
                "steps": (properties.get("steps") or {}).get("default"),
            }
        )
    return sorted(found, key=lambda one: str(one["name"]) != FIRST)


def _head() -> Component:
    words = [html.H2("One example"), html.P("…", id="example-said", className="about")]
    return html.Div(html.Div(words), className="card-head")


def _controls(attacks: Sequence[Mapping[str, Any]], others: Sequence[Job]) -> Component:
    names = [html.Option(one["title"], value=one["name"]) for one in attacks]
    networks = [html.Option("no other network", value="")]
    networks += [html.Option(job["name"] or job["id"], value=job["id"]) for job in others]
    return html.Div(
        [
            _labelled("Attack", html.Select(names, id="example-attack")),
            _labelled("Norm", html.Select([], id="example-norm")),
            _labelled("Steps", html.Span(id="example-steps-place")),
            html.Label(
                [
                    html.Span(["ε ", html.Output(id="example-eps-said")]),
                    html.Span(id="example-eps"),
                ],
                className="example-field wide-field",
            ),
            _labelled("Example", html.Span(id="example-index-place")),
            html.Div(
                [
                    html.Button(words, type="button", className="plain-button", id=f"example-{do}")
                    for do, words in STEPS.items()
                ],
                className="example-steps",
            ),
            _labelled("Beside it", html.Select(networks, id="example-peer")),
        ],
        className="example-controls",
    )


def _labelled(label: str, control: Component) -> Component:
    return html.Label([html.Span(label), control], className="example-field")


def _pictures() -> Component:
    waiting = html.P("Asking the desk; its first answer takes a few seconds.", className="about")
    return html.Div(waiting, id="example-pictures", className="example-pictures", role="status")
