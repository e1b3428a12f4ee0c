"""What an adversary can do, answered while one waits: the top of the attack lab."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend import specs
from frontend.api import Catalog, Job
from frontend.plots import theme as themes
from frontend.views.budgets import symbols
from frontend.views.called import called
from frontend.views.plotcard import plot_card

PLACE = "example"
FIRST = ("pgd", "weight_pgd", "joint")
CHANCE = "weight_random"
"""What moves weights as far without looking where to: drawn beside an attack on weights."""
QUICK = {"weights": 10, "both": 5}
"""Steps of a search that is waited for; a longer one is a job."""
STEPS = {"back": "Previous", "next": "Next", "any": "Random"}
MOVES = {"inputs": "inputs", "weights": "weights", "both": "both"}


def example(
    catalog: Catalog, job: Job, others: Sequence[Job], scheme: str, moves: str | None = None
) -> Component:
    """The controls, the places of the answers, empty plots; the page's scripts fill them."""
    attacks = _attacks(catalog)
    offered = [name for name in MOVES if any(one["moves"] == name for one in attacks)]
    chosen = moves if moves in offered else "inputs"
    told = {
        "job": job["id"],
        "name": called(job),
        "attacks": attacks,
        "examples": _examples(catalog, job),
        "weights": _relative(attacks),
        "chance": CHANCE if any(one["name"] == CHANCE for one in attacks) else None,
    }
    return html.Div(
        [_instrument(others, offered, chosen), *_plots(themes.theme(scheme))],
        id=PLACE,
        className="example",
        **{"data-example": json.dumps(told), "data-moves": chosen},
    )


def _examples(catalog: Catalog, job: Job) -> int | None:
    """How many test examples there are, where the catalogue tells."""
    data = specs.find(catalog, "dataset", (job["spec"].get("dataset") or {}).get("name"))
    count = data["facts"].get("test") if data else None
    return count if isinstance(count, int) else None


def _attacks(catalog: Catalog) -> list[dict[str, Any]]:
    """The attacks that need no other network, with the budgets that their cards suggest."""
    found = []
    for entry in catalog["entries"]:
        facts = entry.get("facts") or {}
        if entry["kind"] == "attack" and facts.get("moves") and not facts.get("transfers"):
            found.append(_attack(entry, facts))
    return sorted(found, key=lambda one: one["name"] not in FIRST)


def _attack(entry: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    asks = (entry.get("schema") or {}).get("properties", {})
    steps, quick = (asks.get("steps") or {}).get("default"), QUICK.get(facts["moves"])
    return {
        "name": entry["name"],
        "title": entry["title"],
        "moves": facts["moves"],
        "budgets": [{**one, "label": symbols(one["label"])} for one in facts.get("budgets", [])],
        "norms": (asks.get("norm") or {}).get("enum", []),
        "weight_norms": (asks.get("weight_norm") or {}).get("enum", []),
        "asks": list(asks),
        "steps": min(steps, quick) if steps and quick else steps,
    }


def _relative(attacks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Budgets of weights as shares of their own size: the same for networks of any scale."""
    budgets = [one for attack in attacks if attack["name"] in FIRST for one in attack["budgets"]]
    return [one for one in budgets if one["when"].get("relative")]


# --- the instrument ----------------------------------------------------------------------------


def _instrument(others: Sequence[Job], offered: Sequence[str], chosen: str) -> Component:
    words = [
        html.H2("What an adversary can do"),
        html.P("…", id="example-said", className="about", **{"aria-live": "polite"}),
    ]
    head = html.Div([html.Div(words), _moves(offered, chosen)], className="card-head")
    return html.Section(
        [head, _controls(others), _pictures(), html.P(id="example-strength", className="about")],
        className="card example-card",
        **{"aria-label": "What an adversary can do"},
    )


def _moves(offered: Sequence[str], chosen: str) -> Component:
    buttons = [
        html.Button(
            MOVES[name],
            type="button",
            **{"data-move": name, "aria-pressed": str(name == chosen).lower()},
        )
        for name in offered
    ]
    group = html.Div(
        buttons, className="segmented", role="group", **{"aria-label": "What it may move"}
    )
    return html.Div([html.Span("It moves", className="about"), group], className="example-moves")


def _controls(others: Sequence[Job]) -> Component:
    networks = [html.Option("no other network", value="")]
    networks += [html.Option(called(job), value=job["id"]) for job in others]
    single = {"data-for": "inputs weights"}
    steps = [
        html.Button(words, type="button", className="plain-button", id=f"example-{do}")
        for do, words in STEPS.items()
    ]
    slider = [
        html.Span([html.Span("ε ", id="example-eps-name"), html.Output(id="example-eps-said")]),
        html.Span(id="example-eps"),
    ]
    return html.Div(
        [
            _labelled("Attack", html.Select([], id="example-attack")),
            _labelled("Norm", html.Select([], id="example-norm")),
            _labelled("Norm of weights", html.Select([], id="example-weight-norm"), "both"),
            _labelled("Steps", html.Span(id="example-steps-place")),
            html.Label(slider, className="example-field wide-field", **single),
            _labelled("Example", html.Span(id="example-index-place"), "inputs weights"),
            html.Div(steps, className="example-steps", **single),
            _labelled("Beside it", html.Select(networks, id="example-peer")),
        ],
        className="example-controls",
    )


def _labelled(label: str, control: Component, only: str = "") -> Component:
    shown = {"data-for": only} if only else {}
    return html.Label([html.Span(label), control], className="example-field", **shown)


def _pictures() -> Component:
    waiting = html.P("Asking the desk; its first answer takes a few seconds.", className="about")
    return html.Div(waiting, id="example-pictures", className="example-pictures")


# --- the plots ---------------------------------------------------------------------------------


def _plots(look: themes.Theme) -> list[Component]:
    whole, kind = {"range": [-0.03, 1.04]}, {"type": "category"}
    share = {**whole, "tickformat": ".0%"}
    probability = themes.axis(look, "probability", **whole)
    heights = themes.axis(look, "probability", range=[0, 1])
    bars = _empty(look, themes.axis(look, "class", **kind), heights, barmode="group")
    looks = _empty(
        look,
        themes.axis(look, "input tried by the attack, in order", rangemode="tozero"),
        probability,
    )
    flips = _empty(look, themes.axis(look, "ε_w"), themes.axis(look, "predictions", **share))
    path = _empty(look, themes.axis(look, "ε_w"), probability)
    lines = _empty(look, themes.axis(look, "ε"), themes.axis(look, "accuracy", **share))
    grid = _empty(look, themes.axis(look, "ε", **kind), themes.axis(look, "ε_w", **kind))
    grid.update_layout(hovermode="closest")
    shown = {
        "example-bars": ("inputs", "Class probabilities", "this example", bars),
        "example-looks": ("inputs", "Along the attack", "true class and class taken", looks),
        "example-flips": ("weights", "Predictions that flip", "one change for all", flips),
        "example-path": ("weights", "This example", "as the weights move", path),
        "example-grid0": ("both", "Accuracy over both budgets", "this network", grid),
        "example-lines": ("both", "The same as lines", "one line a budget of weights", lines),
        "example-grid1": ("both", "Accuracy over both budgets", "the other network", grid),
    }
    return [
        plot_card(
            key,
            title,
            html.Span(about, id=f"{key}-about"),
            figure,
            definition=DEFINED.get(key),
            className=f"for-{moves}",
        )
        for key, (moves, title, about, figure) in shown.items()
    ]


DEFINED = {"example-lines": "example-grid0", "example-grid1": "example-grid0"}


def _empty(look: themes.Theme, xaxis: Any, yaxis: Any, **more: Any) -> Any:
    return themes.figure(look, [], xaxis=xaxis, yaxis=yaxis, **more)
