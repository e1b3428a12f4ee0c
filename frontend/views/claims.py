"""A claim on a paper's page: its words, what it costs, its button, its points."""

from __future__ import annotations

from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend import words
from frontend.api import Claim
from frontend.plots import theme as themes
from frontend.views import load
from frontend.views.plotcard import plot_card

TONES = {"holds": "teal", "does not hold": "red", "undecided": "orange", "not tested yet": "gray"}


def verdict(claim: Claim) -> str:
    """Undecided by its runs, or without any."""
    return claim["verdict"] if claim["runs"] else "not tested yet"


def badge(claim: Claim) -> Component:
    said = verdict(claim)
    return html.Span(said, className=f"state state-{TONES[said]} claim-verdict")


def cost(found: dict[str, Any] | None) -> str:
    """What the runs will take, said before they start."""
    if found is None:
        return "Its cost cannot be estimated here."
    told = f"{found['runs']} runs, about {words.duration(found['seconds'])} of training"
    if found["attack_seconds"]:
        told += f", then an attack on each, about {words.duration(found['attack_seconds'])} in all"
    return f"{told}. Measuring comes on top; several workers share it."


def section(claim: Claim, cost: str) -> Component:
    """A claim and its experiment; verdict, progress, buttons and points are the script's."""
    name = claim["name"]
    return html.Section(
        [
            html.Div([html.H2(claim["title"]), badge(claim)], className="claim-head"),
            html.Div([text(claim, cost), _plot(claim)], className="claim-body"),
        ],
        id=f"claim-{name}",
        className="claim",
        **{"data-claim": name, "aria-label": claim["title"]},
    )


def text(claim: Claim, cost: str) -> Component:
    """What is claimed, how it is tested, what that costs; numbers and progress come later."""
    parts = [
        ("The claim", claim["claim"]),
        ("The test", claim["means"]),
        ("The cost", cost),
    ]
    told = [part for head, said in parts for part in (html.Dt(head), html.Dd(said))]
    found = [html.Dt("The numbers"), html.Dd("", className="claim-words")]
    bar = html.Div(html.Div(className="bar-done"), className="bar claim-bar", hidden=True)
    return html.Div(
        [
            html.Dl([*told, *found], className="claim-text", **{"aria-live": "polite"}),
            html.Div(
                [bar, html.Span("", className="claim-said")],
                className="claim-progress",
                role="status",
            ),
            html.Div(_buttons(claim), className="claim-buttons"),
        ],
        className="card",
    )


def _buttons(claim: Claim) -> list[Component]:
    """All there may be; the script shows those that make sense now."""
    compare = html.A("Compare its runs", className="button claim-compare", hidden=True)
    jobs = html.A("Its jobs", className="button claim-jobs", hidden=True)
    return [
        _button(claim, "run", "Run the test", "button filled"),
        _button(claim, "attack", "Attack the runs", "button filled"),
        _button(claim, "cancel", "Cancel", "plain-button danger"),
        compare,
        jobs,
    ]


def _button(claim: Claim, what: str, label: str, style: str) -> Component:
    named = {"data-do": what, "aria-label": f"{label}: {claim['title']}"}
    return html.Button(label, type="button", className=style, hidden=True, **named)


def _plot(claim: Claim) -> Component:
    test, look = claim["test"], themes.theme(load.scheme())
    xaxis = themes.axis(look, test.get("axis") or ("run" if test["kind"] == "exceeds" else ""))
    if names := test.get("names"):
        every = {"categoryarray": names, "range": [-0.5, len(names) - 0.5]}
        xaxis |= {"type": "category", "categoryorder": "array", "autorange": False, **every}
    log = test["kind"] == "never_above"
    yaxis = themes.axis(look, test["label"], type="log" if log else "linear")
    figure = themes.figure(look, [], xaxis=xaxis, yaxis=yaxis, hovermode="closest")
    return plot_card(
        key(claim["name"]),
        test["label"][:1].upper() + test["label"][1:],
        ABOUT[test["kind"]] + (UNTESTED if len(test.get("names") or []) > 2 and not log else ""),
        figure,
        log=log if log else None,
        className="claim-plot",
    )


def key(name: str) -> str:
    return f"claim-{name.replace('_', '-')}"


ABOUT = {
    "greater": "a point a run, a bar at each group’s median",
    "never_above": "a point a run: the largest of all its measured steps; the bound holds below 1",
    "rises_with": "a point a run",
    "rises_together": "a point a run",
    "exceeds": "a point a run; the claim is that they lie above 0",
}
UNTESTED = "; the grey group is not part of the test"
