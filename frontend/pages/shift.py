"""The scale-shift lab: sliders move scale between layers, and the function stays."""

from __future__ import annotations

from typing import Any

import dash
from dash import ClientsideFunction, Input, Output, callback, clientside_callback, dcc, html
from dash.development.base_component import Component

from frontend import parts
from frontend.api import ApiError, Job, visitor
from frontend.plots import theme as themes
from frontend.views import head, load, networks
from frontend.views.called import called
from frontend.views.plotcard import furniture, plot_card

PATH = "/lab/shift"
ASKED, PAGE, TOLD, LIVE = "shift-asked", "shift-page", "shift-told", "shift-live"
LEAD = (
    "Each slider multiplies a layer; the last layer takes the inverse, biases follow. "
    "What moves was never about the function."
)

dash.register_page(__name__, path=PATH, title="Scale shift – Normscope")


def layout(job: str | None = None, s: str = "", **_: Any) -> Component:
    return html.Div(
        [
            dcc.Store(id=ASKED, data={"job": job, "log2": s}),
            dcc.Store(id=LIVE),
            html.Div([_head(None), parts.skeleton(240)], id=PAGE),
            *furniture(),
        ]
    )


def _head(job: Job | None) -> Component:
    actions = []
    if job is not None:
        choose = parts.button_link("Choose another network", PATH)
        copy = html.Button("Copy link", id="shift-copy", type="button", className="plain-button")
        actions = [choose, copy]
    return parts.header(
        "Move scale between layers; the function stays",
        crumbs=[("Labs", ""), ("scale shift", "")],
        under=html.P(LEAD, className="lead"),
        actions=actions,
    )


@callback(Output(PAGE, "children"), Input(ASKED, "data"))
async def fill(asked: dict[str, Any]) -> Any:
    """The instrument for the network that the address names; without one, a choice."""
    api = visitor()
    try:
        if not asked["job"]:
            nothing = "There is no trained network to shift yet."
            return [_head(None), await networks.choice(api, PATH, nothing)]
        job = await api.job(asked["job"])
    except ApiError as error:
        return [_head(None), parts.failed(error)]
    if job["kind"] != "train" or job["state"] != "succeeded":
        again = parts.button_link("Choose a trained network", PATH, filled=True)
        return [_head(None), parts.empty("This job left no trained network to shift.", again)]
    told = {"job": job["id"], "log2": asked["log2"]}
    return [_head(job), _instrument(job), dcc.Store(id=TOLD, data=told)]


def _instrument(job: Job) -> Component:
    look = themes.theme(load.scheme())
    return html.Div(
        [
            _sliders(job),
            _measures(),
            plot_card(
                "shift-norms",
                "Layer norms",
                "Frobenius norm of each layer’s weights",
                themes.figure(
                    look,
                    [],
                    xaxis=themes.axis(look, "layer", type="category"),
                    yaxis=themes.axis(look, "‖W‖", rangemode="tozero"),
                    barmode="group",
                    bargap=0.3,
                ),
            ),
            html.Div([_training(), _walk(look)], className="shift-training"),
            _first(),
        ],
        className="shift",
    )


def _sliders(job: Job) -> Component:
    words = {"random": "Random shift", "balance": "Balance", "reset": "Reset"}
    buttons = [
        html.Button(text, type="button", className="plain-button", **{"data-do": what})
        for what, text in words.items()
    ]
    return html.Section(
        [
            html.Div(
                html.Div([html.H2("Layers"), html.P(_of(job), className="about")]),
                className="card-head",
            ),
            html.Div(
                html.P(
                    "Asking the desk; its first answer takes a few seconds.",
                    className="about",
                ),
                id="shift-sliders",
                className="shift-sliders",
            ),
            html.Div(buttons, className="shift-buttons"),
            html.P("", id="shift-said", className="card-note", role="status"),
        ],
        className="card shift-layers",
        **{"aria-label": "Layers and their multipliers"},
    )


def _of(job: Job) -> list[Any]:
    link = dcc.Link(called(job), href=f"/jobs/{job['id']}")
    return [link, f" · {head.what(job)}"]


def _measures() -> Component:
    names = [("Measure", ""), ("Before", "right"), ("After", "right"), ("Verdict", "right")]
    heads = [html.Th(name, className=side, scope="col") for name, side in names]
    return html.Section(
        [
            html.Div(
                html.Table(
                    [html.Thead(html.Tr(heads)), html.Tbody(id="shift-measures")],
                    className="plain-table shift-measures",
                ),
                className="table-place",
                tabIndex=0,
            ),
            html.P("", id="shift-logits", className="card-note"),
        ],
        className="card shift-compared",
        **{"aria-label": "Measures before and after the shift"},
    )


def _walk(look: themes.Theme) -> Component:
    return plot_card(
        "shift-walk",
        "Where training leads",
        "gradient descent; solid: from unshifted weights, dashed: from shifted ones",
        themes.figure(
            look,
            [],
            xaxis=themes.axis(look, "training step from here", rangemode="tozero"),
            yaxis=themes.axis(look, "intrinsic norm ∏‖W‖"),
        ),
        log=False,
        className="shift-walk",
    )


def _training() -> Component:
    """What a walk is made with; the plot and the table beneath show it."""
    fields = [
        _field("lr", "Learning rate", 0.05, 0.0001, 10),
        _field("weight_decay", "Weight decay λ", 0.001, 0, 1),
        _field("weissi", "WEISSI λ₁", 0.03, 0, 10),
        _field("steps", "Steps", 100, 1, 300),
    ]
    walk = html.Button("Train from here", type="button", className="plain-button", id="shift-train")
    return parts.card(
        html.Div([*fields, walk], className="shift-fields"),
        title="Now train from here",
        about="under three penalties, from the weights as they are and from the shifted ones",
    )


def _first() -> Component:
    table = html.Table(id="shift-first", className="plain-table")
    return parts.card(
        html.Div(table, className="table-place", tabIndex=0),
        title="The first of these steps",
        about="same function, same batch",
        className="wide",
    )


def _field(name: str, label: str, value: float, low: float, high: float) -> Component:
    box = dcc.Input(id=f"shift-{name}", type="number", value=value, min=low, max=high, step="any")
    return html.Label([html.Span(label), box], className="shift-field")


clientside_callback(
    ClientsideFunction("shift", "start"),
    Output(LIVE, "data"),
    Input(TOLD, "data"),
)
