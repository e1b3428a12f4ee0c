"""What an attack job found: accuracy against ε, loss along the attack, pictures, the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend import parts, specs, words
from frontend.api import Entry
from frontend.plots import shapes
from frontend.plots.shapes import Curve
from frontend.plots.theme import Theme, empty, nth, theme
from frontend.views import budgets
from frontend.views.called import called
from frontend.views.curves import Told
from frontend.views.figures import examples
from frontend.views.gallery import gallery
from frontend.views.head import ENDED, made_on
from frontend.views.plotcard import plot_card
from frontend.views.trust import attacks_of, evaluation_card, warnings, words_of

WORST = "attack/worst/accuracy"
MOVED = {"linf": "the largest change of a weight", "l2": "the l2 of a tensor’s change"}


def result(told: Told, others: Sequence[Told], scheme: str) -> list[Component]:
    """Every card of an attack job; `others` are drawn into its accuracy plot."""
    look = theme(scheme)
    cards = [accuracy_card([told, *others], look), evaluation_card(told)]
    if expects(told, "loss", "steps"):
        cards.append(loss_card(told, look))
    if expects(told, "gallery", "inputs"):
        cards.append(gallery_card(told, look))
    return [html.Div(cards, className="attack-cards")]


def expects(told: Told, measurement: str, by: str) -> bool:
    """Whether an attack of the job told a measurement, or may yet: one that climbs step by step
    tells its loss, one that moves inputs leaves pictures."""
    names = [attack["name"] for attack in attacks_of(told)]
    if any(told.newest(f"attack/{name}/{measurement}") for name in names):
        return True
    if told.job["state"] in ENDED or told.catalog is None:
        return told.job["state"] not in ENDED
    entries = [specs.find(told.catalog, "attack", name) for name in names]
    return any(by in _promises(entry) for entry in entries if entry)


def _promises(entry: Entry) -> set[str]:
    moves = (entry.get("facts") or {}).get("moves")
    return {*specs.parameters(entry), *({"inputs"} if moves != "weights" else ())}


def accuracy_card(shown: Sequence[Told], look: Theme) -> Component:
    main = shown[0]
    drawn = [curve for place, told in enumerate(shown) for curve in _accuracies(told, place)]
    styled = [_styled(curve, index) for index, curve in enumerate(drawn)]
    figure = (
        shapes.curves(
            look,
            styled,
            x_title=_budgets(styled),
            y_title="accuracy under attack",
            percent=True,
            clean=_clean(main),
        )
        if styled
        else empty(look, "The first budget is being attacked; its accuracy comes next.")
    )
    if styled:
        figure.update_xaxes(range=_span(shown))
        figure.update_layout(height=figure.layout.height + 20 * max(0, len(styled) - 2))
    several = f"{len(shown)} jobs · " if len(shown) > 1 else ""
    about = f"{several}{examples(main.job)} {main.job['spec'].get('split', 'test')} examples"
    drawn_at_random = any(_is_mean(curve) for curve in styled)
    mean = ", of a mean from the lowest to the highest draw" if drawn_at_random else ""
    bands = f"bands are 95 % Wilson intervals{mean}"
    title = "Accuracy under attack"
    notes = [*_weights_too(main), *[f"Careful: {line}." for line in warnings(main)]]
    line = [f"{about}; {bands}", *made_on(main.job, "; ")]
    return plot_card("attack-accuracy", title, line, figure, notes=notes)


def _weights_too(told: Told) -> list[str]:
    """Of an attack on both, whose axis tells the inputs' budget alone: what the weights get."""
    return [
        f"{words_of(told, attack)} moves the weights too, at ε = 0 as well: ε_w = "
        f"{attack['eps_w']:g}, {MOVED.get(str(attack.get('weight_norm')), 'a tensor’s change')}"
        f"{', relative to the tensor’s own' if attack.get('relative') else ''}."
        for attack in attacks_of(told)
        if attack.get("eps_w")
    ]


def _budgets(drawn: Sequence[Curve]) -> str:
    """What the budgets mean, as the curves themselves say; all that they say."""
    told = (budgets.symbols(str(curve.value.get("x_label") or "ε")) for curve in drawn)
    return " / ".join(dict.fromkeys(told))


def _span(shown: Sequence[Told]) -> list[float]:
    """The whole grid from the start, so that the axis stays while the curve comes."""
    most = max(max(told.job["spec"].get("eps_grid") or [0]) for told in shown) or 1
    return [-0.03 * most, 1.03 * most]


def _accuracies(told: Told, place: int) -> list[Curve]:
    """Each attack's curve and the worst case; of a job beside the main one, the worst alone."""
    attacks = attacks_of(told)
    name = called(told.job)
    found = []
    worst = told.newest(WORST)
    for attack in attacks if place == 0 or worst is None else []:
        path = f"attack/{attack['name']}/accuracy"
        item = told.newest(path)
        if item and item["shape"] == "curve":
            label = words_of(told, attack) if place == 0 else f"{name}: {words_of(told, attack)}"
            found += [Curve(item["value"], label, "vermillion", series=path), *_mean(told, attack)]
    if worst and (place or len(attacks) > 1):
        label = name if place else "worst of them"
        found.append(Curve(worst["value"], label, "vermillion", series=WORST))
    return found


def _mean(told: Told, attack: Mapping[str, Any]) -> list[Curve]:
    """The mean over what an attack drew at random, where it drew several."""
    path = f"attack/{attack['name']}/mean_accuracy"
    item = told.newest(path)
    label = f"{words_of(told, attack)}: {item['value']['y_label']}" if item else ""
    return [Curve(item["value"], label, "vermillion", series=path)] if item else []


def _is_mean(curve: Curve) -> bool:
    return curve.series.endswith("/mean_accuracy")


def _styled(curve: Curve, index: int) -> Curve:
    shade, dash, marker = nth(index)
    dash = "dash" if curve.label == "worst of them" else "dot" if _is_mean(curve) else dash
    return Curve(curve.value, curve.label, shade, dash, marker, curve.series)


def _clean(told: Told) -> float | None:
    """As it was told; of older jobs the accuracy at ε = 0 of whichever curve has it."""
    told_clean = told.newest("attack/clean/accuracy")
    if told_clean and isinstance(told_clean["value"], int | float):
        return float(told_clean["value"])
    for attack in attacks_of(told):
        item = told.newest(f"attack/{attack['name']}/accuracy")
        for x, y in zip(item["value"]["x"], item["value"]["y"], strict=True) if item else ():
            if float(x) == 0:
                return float(y)
    return None


def loss_card(told: Told, look: Theme) -> Component:
    drawn = []
    for index, attack in enumerate(attacks_of(told)):
        path = f"attack/{attack['name']}/loss"
        item = told.newest(path)
        if item:
            shade, dash, marker = nth(index)
            drawn.append(Curve(item["value"], words_of(told, attack), shade, dash, marker, path))
    figure = (
        shapes.curves(look, drawn, x_title="step of the attack", y_title="cross-entropy (nats)")
        if drawn
        else empty(look, "Shown once the largest budget has been attacked.")
    )
    grid = told.job["spec"].get("eps_grid") or [0]
    return plot_card(
        "attack-loss",
        "Loss along the attack",
        f"mean over the examples, at the largest budget, {max(grid):g}",
        figure,
    )


# --- pictures ----------------------------------------------------------------------------------


def gallery_card(told: Told, look: Theme) -> Component:
    shown: list[Any] = []
    scales: list[float] = []
    for attack in attacks_of(told):
        item = told.newest(f"attack/{attack['name']}/gallery")
        if item is None:
            continue
        title = words_of(told, attack) if len(attacks_of(told)) > 1 else ""
        shown += _moves(item["value"], look) if _is_points(item) else _pictures(item, title)
        scales += list((item["value"].get("scale") or {}).values())
    if not shown:
        shown = [html.P("Pictures come with the last budget.", className="about")]
    galleries = " ".join(f"attack/{attack['name']}/gallery" for attack in attacks_of(told))
    return html.Div(
        parts.card(
            shown,
            title="Gallery",
            about="the clean input, what was added to it, what came of it, and the class that the "
            f"network sees{_scale(scales)}",
            id="attack-gallery",
        ),
        className="wide",
        **{"data-measurement": galleries},
    )


def _scale(scales: Sequence[float]) -> str:
    if not scales:
        return ""
    ends = words.number(max(scales), 2)
    return f"; perturbations are blue at −{ends}, white at 0, red at {ends}"


def _is_points(item: Mapping[str, Any]) -> bool:
    return bool(item["shape"] == "table")


def _moves(value: Mapping[str, Any], look: Theme) -> list[Component]:
    """Two inputs: where each point went instead of a picture."""
    columns = value["columns"]
    if not {"x", "y", "x_adversarial", "y_adversarial"} <= columns.keys():
        return []
    clean = list(zip(columns["x"], columns["y"], strict=True))
    moved = list(zip(columns["x_adversarial"], columns["y_adversarial"], strict=True))
    fooled = [bool(flag) for flag in columns.get("fooled", [False] * len(clean))]
    figure = shapes.moves(look, clean, moved, fooled)
    about = "from each clean point to where the attack took it"
    return [plot_card("attack-moves", "Moves", about, figure)]


def _pictures(item: Mapping[str, Any], title: str) -> list[Component]:
    return [html.H3(title) if title else None, gallery(item["value"])]
