"""Scalars against steps, epochs or seconds: the plots that grow while a job runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

import plotly.graph_objects as go

from frontend.plots.theme import Theme, axis, color, figure

Along = Literal["step", "epoch", "time"]
X_TITLES: dict[str, str] = {"step": "step", "epoch": "epoch", "time": "seconds since start"}
YOUNG = 0.08
"""A running mean remembers at most this share of the steps so far."""

TICKS, LOG_TICKS = 11.5, 9.2
"""Plotly draws the labels of a log axis a quarter larger than it is told."""

Item = TypeVar("Item", bound=Mapping[str, Any])
Role = Literal["line", "smooth", "broken"]


@dataclass
class Series:
    """One measurement's scalars in order; what is not finite is None, and told in `broken`."""

    name: str
    step: list[int] = field(default_factory=list)
    epoch: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)
    broken: tuple[int, str] | None = None
    seq: int = 0

    def x(self, along: Along) -> Sequence[float]:
        if along == "step":
            return self.step
        return self.epoch if along == "epoch" else self.time

    @property
    def last(self) -> float | None:
        """The newest value, None where it is not finite or there is none."""
        return self.value[-1] if self.value else None

    @property
    def first(self) -> float | None:
        return self.value[0] if self.value else None


@dataclass(frozen=True)
class Line:
    """How one series is drawn."""

    series: str
    label: str
    color: str
    dash: str = "solid"
    width: float = 1.6
    role: Role = "line"
    markers: bool = False
    shaded: bool = False  # down to the line before this one
    hidden: bool = False  # until asked for in the legend
    faint: bool = False  # behind its smoothed line, which stands for both in the legend


@dataclass(frozen=True)
class YAxis:
    title: str
    log: bool = False
    percent: bool = False
    highest: float | None = None


def current(items: Iterable[Item]) -> list[Item]:
    """What counts: the newest attempt's, and of earlier ones what came before the step at which a
    later one went on; one that started afresh leaves nothing of them."""
    items, first = list(items), math.inf
    found: list[Item] = []
    for attempt in sorted({item["attempt"] for item in items}, reverse=True):
        mine = [item for item in items if item["attempt"] == attempt and item["step"] < first]
        found = mine + found
        first = min([first, *(item["step"] for item in mine)])
    return found


def gather(items: Sequence[Mapping[str, Any]], began: float | None = None) -> dict[str, Series]:
    """The scalars that count, by name and in the order of steps, whatever order they were told in;
    `began` is the time that counts as second 0."""
    mine = current(items)
    newest = max((item["attempt"] for item in mine), default=0)
    times = [item["time"] for item in mine]
    began = min([*times, *([] if began is None else [began])], default=0.0)
    found: dict[str, Series] = {}
    for item in sorted(mine, key=lambda item: (item["step"], item["seq"])):
        if item["shape"] == "scalar":
            series = found.setdefault(item["name"], Series(item["name"]))
            _append(series, item, began)
            if item["attempt"] == newest:
                series.seq = max(series.seq, item["seq"])
    return found


def _append(series: Series, item: Mapping[str, Any], began: float) -> None:
    value = float(item["value"])
    series.step.append(item["step"])
    series.epoch.append(item["epoch"])
    series.time.append(round(item["time"] - began, 3))
    series.value.append(value if math.isfinite(value) else None)
    if not math.isfinite(value) and series.broken is None:
        series.broken = (len(series.step) - 1, str(item["value"]))


def smoothed(step: Sequence[int], value: Sequence[float | None], tau: float) -> list[float | None]:
    """A running mean whose memory fades over `tau` steps, however unevenly they were measured, and
    sooner at the start of a run, where values fall fast; after a gap it starts anew."""
    found: list[float | None] = []
    mean, weight, last = 0.0, 0.0, 0
    for at, y in zip(step, value, strict=True):
        if y is None:
            weight = 0.0
            found.append(None)
            continue
        fading = min(tau, YOUNG * at + 1)
        keep = weight * math.exp(-max(at - last, 0) / fading) if weight else 0.0
        mean = (keep * mean + y) / (keep + 1)
        weight, last = keep + 1, at
        found.append(mean)
    return found


def lines(
    look: Theme,
    drawn: Sequence[Line],
    series: Mapping[str, Series],
    y: YAxis,
    *,
    along: Along = "step",
    tau: float = 20.0,
) -> go.Figure:
    """The lines in order, one marker where a series first stopped being finite.

    Every trace carries in `meta` what a script needs to go on with it: the series' name, its role,
    its x in all three measures and the last sequence number it shows.
    """
    traces = [_trace(look, line, series.get(line.series), along, tau, y) for line in drawn]
    traces.append(_broken(look, drawn, series, along))
    began = any(series[line.series].step for line in drawn if line.series in series)
    yaxis = axis(look, y.title, type="log" if y.log else "linear")
    yaxis["tickfont"] = {**yaxis["tickfont"], "size": LOG_TICKS if y.log else TICKS}
    if y.log:
        yaxis |= {"minorloglabels": "complete", "dtick": log_ticks(_reach(drawn, series))}
    if y.percent:
        yaxis["tickformat"] = ".0%"
    if y.highest is not None:
        yaxis["autorangeoptions"] = {"maxallowed": y.highest}
    if not began:
        yaxis["range"] = [-1.5, 1.5] if y.log else [0, 1]
    return figure(
        look,
        traces,
        xaxis=axis(look, X_TITLES[along], rangemode="tozero", **{} if began else {"range": [0, 1]}),
        yaxis=yaxis,
        showlegend=len(drawn) > 1,
        meta={"along": along, "kind": "series"},
    )


def _reach(drawn: Sequence[Line], series: Mapping[str, Series]) -> float:
    """How many decades the positive values of the lines span."""
    values = [
        value
        for line in drawn
        if line.series in series and not line.hidden
        for value in series[line.series].value
        if value is not None and value > 0
    ]
    return math.log10(max(values) / min(values)) if values else 3.0


def log_ticks(decades: float) -> str | int | None:
    """Whole decades alone where there are some; else 2 and 5 between them; else Plotly's choice."""
    if decades > 2.2:
        return max(1, round(decades / 6))
    return "D2" if decades > 0.5 else None


def _trace(
    look: Theme, line: Line, series: Series | None, along: Along, tau: float, y: YAxis
) -> go.Scatter:
    series = series or Series(line.series)
    smooth = line.role == "smooth"
    value = smoothed(series.step, series.value, tau) if smooth else series.value
    shown = color(look, line.color)
    fill = {"fill": "tonexty", "fillcolor": color(look, "sky_wash")} if line.shaded else {}
    return go.Scatter(
        x=list(series.x(along)),
        y=value,
        name=line.label,
        mode="lines+markers" if line.markers else "lines",
        line={"color": shown, "dash": line.dash, "width": line.width},
        marker={"color": shown, "size": 4},
        connectgaps=False,
        hovertemplate="%{y:.1%}" if y.percent else "%{y:.4~g}",
        visible="legendonly" if line.hidden else True,
        legendgroup=line.series,
        showlegend=not line.faint,
        meta={
            "series": line.series,
            "role": line.role,
            "tau": tau,
            "step": series.step,
            "epoch": series.epoch,
            "time": series.time,
            "seq": series.seq,
        },
        **fill,
    )


def _broken(
    look: Theme, drawn: Sequence[Line], series: Mapping[str, Series], along: Along
) -> go.Scatter:
    """A cross where a series first stopped being finite, at its last finite height."""
    meta: dict[str, Any] = {"role": "broken", "series": None, "step": [], "epoch": [], "time": []}
    heights: list[float | None] = []
    words: list[str] = []
    labels = {line.series: line.label for line in drawn if not line.hidden}
    for name, label in labels.items():
        found = series.get(name)
        if found is None or found.broken is None:
            continue
        at, what = found.broken
        told = found.step[at] in meta["step"]  # one label a step; the crosses are all there
        for measure in ("step", "epoch", "time"):
            meta[measure].append(getattr(found, measure)[at])
        heights.append(next((v for v in reversed(found.value[:at]) if v is not None), 1.0))
        words.append(
            "" if told else f"{label.split(',')[0]} became {what} at step {found.step[at]}"
        )
    return go.Scatter(
        x=list(meta[along]),
        y=heights,
        text=words,
        name="not finite",
        mode="markers+text",
        textposition=[_inwards(series, at) for at in meta["step"]],
        textfont={"size": 11.5, "color": look.ink},
        marker={"symbol": "x", "size": 9, "color": look.ink},
        hovertemplate="%{text}<extra></extra>",
        cliponaxis=False,
        showlegend=False,
        meta=meta,
    )


def _inwards(series: Mapping[str, Series], step: int) -> str:
    """The side of a cross that is towards the middle of its plot."""
    last = max((found.step[-1] for found in series.values() if found.step), default=0)
    return "middle right" if 2 * step < last else "middle left"
