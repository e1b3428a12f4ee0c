"""The parts of the page of bounds: over time, layer by layer, and proved against attacked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import links, parts
from frontend.api import Job
from frontend.plots import theme as themes
from frontend.plots.series import LOG_TICKS, Line, Series, YAxis, lines
from frontend.plots.theme import Theme
from frontend.views.curves import Told
from frontend.views.plotcard import plot_card
from frontend.views.saved import Saved, line

OVER, MOST, LIMIT, SAID = "bounds-over", "bounds-most", "bounds-limit", "bounds-said"
STARTS = {"certificate": "bounds-certify", "attack": "bounds-attack", "layers": "bounds-layers"}
LAYERS = ("layer_norms", "spectral_norms", "stable_rank", "bound_tightness", "spectral_bound")
CERTIFIED = "certified_accuracy"
POINTS = 9
FINEST = 0.01
"""The smallest eps above zero, as a share of the largest: as certificates take it."""

SPECTRAL = "diagnostic/spectral_bound"
DRAWN = (
    Line("gradient/input", "measured, mean", "vermillion", width=2),
    Line(f"{SPECTRAL}/bound", "spectral bound", "blue", "dash", 1.6, markers=True, shaded=True),
    Line("gradient/bound", "WEISSI’s bound", "ink", "dot", 1.6, shaded=True),
)
TIGHT = (
    Line(f"{SPECTRAL}/tightness", "measured / spectral bound", "blue", "dash", 1.8),
    Line("gradient/tightness", "measured / WEISSI’s bound", "ink", "dot", 1.8),
)
TIME_WORDS = (
    "bounds-time",
    "Input gradient and its bounds",
    "means over a batch; shaded is what a bound gives away, between its marks a guess",
)
TIGHT_WORDS = ("bounds-tight", "How tight they are", "1 would be a tight bound")
NEEDED = {
    "gradient/input": "input_gradient",
    "gradient/bound": "bound_tightness",
    f"{SPECTRAL}/bound": "spectral_bound",
}
"""The diagnostics that a training measures these series with."""


@dataclass(frozen=True)
class Way:
    """What moves: how it is certified, how it is attacked, where its budgets end."""

    attack: str
    fixed: Mapping[str, Any]
    most: float
    axis: str

    def grid(self, most: float) -> list[float]:
        """0, then geometrically up to `most`, as the certificate's own."""
        share = [FINEST ** (1 - k / (POINTS - 2)) for k in range(POINTS - 1)]
        return [0.0, *(most * one for one in share)]


WAYS = {
    "weights": Way(
        "weight_pgd",
        {"norm": "linf", "relative": False, "biases": True, "layer": 0},
        0.01,
        "ε, largest change of any weight",
    ),
    "inputs": Way("pgd", {"norm": "linf"}, 0.1, "ε, largest change of any input"),
}


def certificate(over: str, most: float, limit: int) -> dict[str, Any]:
    """The diagnostic that certifies."""
    eps = {"eps": most, "eps_x": 0.0} if over == "weights" else {"eps": 0.0, "eps_x": most}
    return {"name": CERTIFIED, **eps, "points": POINTS, "limit": limit}


def request(what: str, source: str, over: str, most: float, limit: int) -> dict[str, Any]:
    """What a button asks for."""
    if what == "attack":
        way = WAYS[over]
        attack = {"name": way.attack, **way.fixed}
        spec = {"attacks": [attack], "eps_grid": way.grid(most), "limit": limit}
        return {"kind": "attack", "spec": {"source": source, **spec}}
    chosen = (
        [certificate(over, most, limit)]
        if what == "certificate"
        else [{"name": name} for name in LAYERS]
    )
    return {"kind": "diagnose", "spec": {"source": source, "diagnostics": chosen}}


# --- over time ----------------------------------------------------------------------------------


def over_time(told: Told, look: Theme) -> list[Component]:
    """The measured gradient and what bounds it, while the network trained."""
    found = told.series
    drawn = tuple(one for one in DRAWN if one.series in found)
    tight = tuple(one for one in TIGHT if one.series in found)
    missing = [name for series, name in NEEDED.items() if series not in found]
    notes = [_missing(told.job, missing)] if missing else []
    shown = []
    if len(drawn) > 1:
        y = YAxis("‖∇ₓ CE‖₂ (nats / input)", log=True)
        shown.append(_series(*TIME_WORDS, drawn, found, y, look))
    if tight:
        y = YAxis("measured / bound", log=True)
        shown.append(_series(*TIGHT_WORDS, tight, found, y, look))
    return [*notes, html.Div(shown, className="cards plots")] if shown else notes


def _series(
    key: str,
    title: str,
    about: str,
    drawn: tuple[Line, ...],
    found: Mapping[str, Series],
    y: YAxis,
    look: Theme,
) -> Component:
    definition = "gradient" if key == "bounds-time" else "tightness"
    figure = lines(look, drawn, found, y)
    return plot_card(key, title, about, figure, log=True, definition=definition)


def _missing(job: Job, names: list[str]) -> Component:
    """What the training did not measure, and the way to one that does."""
    spec = dict(job["spec"])
    known = [one["name"] for one in spec["diagnostics"]]
    spec["diagnostics"] = [*spec["diagnostics"], *[{"name": n} for n in names if n not in known]]
    again = {"kind": "train", "name": f"{job['name']} with its bounds", "spec": spec}
    said = ", ".join(name.replace("_", " ") for name in names)
    link = dcc.Link("Train it again with these", href=links.launch(again))
    told = f"This training did not measure, step by step: {said}. "
    return html.P([told, link, ", or see where it ended below."], className="card told")


# --- layer by layer, proved and attacked --------------------------------------------------------


RATIO = "Frobenius norm over spectral norm: what WEISSI’s bound gives away at each layer"
FROBENIUS = "Frobenius norms; what they give away beside spectral norms is not measured yet"


def layers(look: Theme, found: Saved | None, cost: str, known: Collection[str]) -> Component:
    """Norms of each layer, drawn by the script from what is `known`, or the way to measure them."""
    has = [name in known for name in ("norm/layer/layer1", "diagnostic/spectral_norms/layer1")]
    state = None if all(has) else _source("layers", "Norms of the layers", found, cost)
    if not found and not any(has):
        return html.Div([state, NO_LAYERS], className="bounds-part")
    card = plot_card(
        "bounds-layers",
        "Layer by layer",
        RATIO if all(has) or found else FROBENIUS,
        themes.figure(
            look,
            [],
            xaxis=themes.axis(look, "layer", type="category"),
            yaxis=themes.axis(look, "norm"),
            barmode="group",
            bargap=0.3,
        ),
        log=False,
    )
    return html.Div([state, card], className="bounds-part")


NO_LAYERS = parts.nothing(
    "Here the Frobenius and the spectral norm of each layer will be, and what a bound by the one "
    "instead of the other gives away.",
    "Press Measure above.",
)
UNPROVED = parts.nothing(
    "Here two curves over ε will be: the accuracy that is proved, and the accuracy that an attack "
    "leaves. What lies between them is not known.",
    "Press Certify and Attack above.",
)


def proved(look: Theme, over: str) -> Component:
    small = {"size": LOG_TICKS, "color": look.soft}
    return plot_card(
        "bounds-proved",
        "Proved and attacked",
        "no change within ε brings accuracy below the proved line; one was found that brings it "
        "to the attacked line",
        themes.figure(
            look,
            [],
            xaxis=themes.axis(look, WAYS[over].axis, type="log", dtick=1, tickfont=small),
            yaxis=themes.axis(look, "accuracy", tickformat=".0%", range=[-0.03, 1.04]),
            height=340,
        ),
        className="wide",
    )


def controls(over: str, most: float, limit: int) -> Component:
    moved = html.Div(
        [
            html.Span("What moves", className="compare-label"),
            dmc.SegmentedControl(
                id=OVER,
                data=list(WAYS),
                value=over,
                size="xs",
                **{"aria-label": "What moves"},
            ),
        ]
    )
    largest = dmc.NumberInput(
        id=MOST, label="Largest ε", value=most, min=0, max=1, step=0.005, debounce=400, size="sm"
    )
    limited = dmc.NumberInput(
        id=LIMIT,
        label="Test examples",
        value=limit,
        min=10,
        allowDecimal=False,
        debounce=400,
        size="sm",
    )
    said = html.P("", id=SAID, className="about", role="status")
    return parts.card([moved, largest, limited, said], className="plane-controls")


def sources(found: Mapping[str, Saved | None], costs: Mapping[str, str]) -> Component:
    """The two jobs that the curves come from, each with the button that makes it."""
    words = {"certificate": "Certificate", "attack": "Attack"}
    return html.Div(
        [_source(what, label, found[what], costs[what]) for what, label in words.items()],
        className="run-lines",
    )


def _source(what: str, label: str, found: Saved | None, cost: str) -> Component:
    verbs = {"certificate": "Certify", "attack": "Attack", "layers": "Measure"}
    button = html.Button(
        f"{verbs[what]} ({cost})", id=STARTS[what], type="button", className="plain-button"
    )
    return html.Div([line(label, found, "not there yet"), button], className="run-start")
