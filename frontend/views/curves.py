"""A training job's plots, from its measurements to cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from dash import html
from dash.development.base_component import Component

from frontend import readings
from frontend.api import Catalog, Job, Measurement
from frontend.plots import shapes
from frontend.plots.board import Card, cards, expected
from frontend.plots.series import Along, Series, gather, lines
from frontend.plots.theme import Theme, theme
from frontend.views.head import resumed_at
from frontend.views.plotcard import plot_card, segmented
from frontend.words import moment

REGIONS = "diagnostic/decision_regions/map"
POINTS = "diagnostic/decision_regions/points"
TALL = 604
"""Pixels: a square plot takes the room of two cards, one above the other."""
BOUNDED = ("gradient", "tightness")
UNBOUNDED = (
    "No bound is known of this network, a part of which works at random: the bound is infinite "
    "and the ratio 0."
)
SAMPLED = (
    "Down-sampled: the smallest and the largest value of every stretch are shown; the downloads "
    "below have all of them."
)

XS: tuple[tuple[Along, str], ...] = (("step", "steps"), ("epoch", "epochs"), ("time", "seconds"))


@dataclass(frozen=True)
class Wanted:
    """What the address and the visitor ask of the plots."""

    along: Along = "step"
    logs: frozenset[str] | None = None  # the cards on a log axis; None: each card's own default
    scheme: str = "light"

    @classmethod
    def of(cls, query: Mapping[str, Any], scheme: str) -> Wanted:
        along = query.get("x")
        logs = query.get("log")
        return cls(
            cast(Along, along) if along in ("step", "epoch", "time") else "step",
            None if logs is None else frozenset(str(logs).split(",")),
            scheme,
        )

    def log(self, card: Card) -> bool:
        return bool(card.log) if self.logs is None else card.key in self.logs


@dataclass(frozen=True)
class Told:
    """A job with what it has told so far."""

    job: Job
    items: Sequence[Measurement]
    cursor: str = "0"
    downsampled: bool = False
    catalog: Catalog | None = None
    names_left_out: int = 0

    @property
    def began(self) -> float | None:
        at = moment(self.job.get("attempt_started_at") or self.job["started_at"])
        return at.timestamp() if at else None

    @property
    def series(self) -> dict[str, Series]:
        return gather(self.items, self.began)

    def newest(self, name: str) -> Measurement | None:
        """The last value of a measurement, of whatever shape."""
        mine = [item for item in self.items if item["name"] == name]
        return max(mine, key=lambda item: (item["attempt"], item["seq"]), default=None)

    @property
    def titles(self) -> dict[str, str]:
        entries = self.catalog["entries"] if self.catalog else []
        return {entry["name"]: entry["title"] for entry in entries if entry["kind"] == "method"}


def board(told: Told, wanted: Wanted) -> list[Component]:
    """The line above the plots and every card."""
    series = told.series
    job, spec = told.job, told.job["spec"]
    schedule = spec.get("optimizer", {}).get("schedule", "constant")
    names = list(series) or expected(_names(spec, "methods"), _names(spec, "diagnostics"), schedule)
    found = cards(names, told.titles, constant_rate=schedule == "constant")
    look = theme(wanted.scheme)
    tau = max(0.015 * ((job["progress"] or {}).get("steps") or 500), 1.0)
    shown = [_card(card, series, look, wanted, tau, told) for card in found]
    regions = _regions(told, look)
    if regions is not None:
        shown.insert(min(2, len(shown)), regions)
    shown += _others(told, look)
    return [_toolbar(told, wanted), html.Div(shown, className="cards plots")]


def _names(spec: Mapping[str, Any], slot: str) -> list[str]:
    return [str(choice.get("name")) for choice in spec.get(slot) or []]


def _toolbar(told: Told, wanted: Wanted) -> Component:
    notes = []
    if told.job["attempt"] > 1:
        last = told.job["attempt"] - 1
        before = f"attempt {last}" if last == 1 else f"attempts 1 to {last}"
        at = resumed_at(told.job)
        shown = f"went on from step {at}" if at else "is shown"
        why = f"{before} ended early: cancelled, failed or without a worker"
        if told.job["state"] == "queued":
            shown, why = "has not begun", f"shown is {before}"
        notes.append(f"Attempt {told.job['attempt']} {shown}; {why}.")
    if told.names_left_out:
        notes.append(
            f"{told.names_left_out:,} measurements more than these were told: "
            "Compare plots any of them, and the CSV below has all."
        )
    choices = [(along, label, along == wanted.along) for along, label in XS]
    return html.Div(
        [
            html.Span(" ".join(notes), className="about"),
            html.Div(
                [
                    html.Span("x axis", className="about"),
                    segmented("along", choices, "What the x axes count"),
                ],
                className="x-axis",
            ),
        ],
        className="plots-bar",
    )


def _card(
    card: Card,
    series: Mapping[str, Series],
    look: Theme,
    wanted: Wanted,
    tau: float,
    told: Told,
) -> Component:
    log = wanted.log(card)
    y = card.y if card.log is None else replace(card.y, log=log)
    figure = lines(look, card.lines, series, y, along=wanted.along, tau=tau)
    figure.layout.uirevision = f"{told.job['id']}-{told.job['attempt']}"
    return plot_card(
        card.key,
        card.title,
        card.about,
        figure,
        log=None if card.log is None else log,
        notes=_notes(card, series, told),
    )


def _notes(card: Card, series: Mapping[str, Series], told: Told) -> list[str]:
    notes = [UNBOUNDED] if card.key in BOUNDED and _unbounded(series) else []
    most = max((len(series[name].step) for name in card.series if name in series), default=0)
    return [*notes, SAMPLED] if told.downsampled and most >= 500 else notes


def _unbounded(series: Mapping[str, Series]) -> bool:
    """Whether every bound that was told is infinite, and so nothing of it can be drawn."""
    bounds = series["gradient/bound"].value if "gradient/bound" in series else []
    return bool(bounds) and not any(bound is not None for bound in bounds)


def _regions(told: Told, look: Theme) -> Component | None:
    surface = told.newest(REGIONS)
    if surface is None:
        return None
    points = told.newest(POINTS)
    figure = shapes.regions(
        look, surface["value"], points["value"] if points else None, (REGIONS, POINTS)
    )
    about = html.Span(
        [
            "the class predicted at each point, ",
            html.Span(f"at step {surface['step']}", **{"data-at-step": ""}),
        ]
    )
    figure.update_layout(height=TALL)
    return plot_card("regions", "Decision regions", about, figure, className="tall")


def _others(told: Told, look: Theme) -> list[Component]:
    """A card for every other measurement that is more than a number."""
    names = {item["name"] for item in told.items if item["shape"] != "scalar"}
    found = []
    for name in sorted(names - {REGIONS, POINTS}):
        item = told.newest(name)
        figure = _figure(item, look) if item else None
        if item and figure is not None:
            key = "-".join(name.split("/"))
            words = readings.words(name)
            title = words[:1].upper() + words[1:]
            about = f"at step {item['step']}"
            found.append(plot_card(key, title, about, figure))
    return found


def _figure(item: Measurement, look: Theme) -> Any:
    name, value = item["name"], item["value"]
    if item["shape"] == "curve":
        return shapes.curves(look, [shapes.Curve(value, name, "vermillion", series=name)])
    if item["shape"] == "histogram":
        return shapes.histogram(look, value, name)
    if item["shape"] == "surface":
        return shapes.surface(look, value, name)
    return None
