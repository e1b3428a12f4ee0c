"""The row of numbers above a job's plots; `data-value` tells scripts which measurement each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts, words
from frontend.api import Job
from frontend.plots.board import expected
from frontend.plots.series import Series
from frontend.views.head import attack_words

UNBOUND = "on the largest input gradient"
"""What the bound is told with until there are two numbers to divide."""

MEANT = {
    "train/accuracy": "of the last batch while it trains; once it has succeeded, of as many "
    "training examples as there are test examples",
}
"""What a number beside another is of, where its word does not say."""


def figures(job: Job, series: Mapping[str, Series], robust: Component | None) -> list[Component]:
    """Of what is measured, and of nothing else."""
    last: dict[str, Any] = {**(job["summary"] or {})}
    last |= {name: found.last for name, found in series.items() if found.last is not None}
    gradient = ("largest ", "gradient/input_max")
    made = {
        "test/accuracy": _figure(
            "Test accuracy", "test/accuracy", "percent", last, ("train ", "train/accuracy")
        ),
        "norm/intrinsic": _intrinsic(last, series),
        "gradient/input": _figure("Input gradient", "gradient/input", "number", last, gradient),
        "gradient/bound_max": _bound(last),
    }
    measured = {*last, *expected([], [one["name"] for one in job["spec"]["diagnostics"]], "")}
    shown = [figure for name, figure in made.items() if name in measured]
    return [*shown, robust] if robust is not None else shown


def _figure(
    label: str, name: str, format: str, last: Mapping[str, Any], context: tuple[str, str]
) -> Component:
    before, other = context
    return parts.figure(
        label,
        _live(name, format, last),
        html.Span([before, _live(other, format, last)], title=MEANT.get(other)),
    )


def _live(name: str, format: str, last: Mapping[str, Any]) -> Component:
    say = words.percent if format == "percent" else words.number
    return html.Span(say(last.get(name)), **{"data-value": name, "data-format": format})


def _intrinsic(last: Mapping[str, Any], series: Mapping[str, Series]) -> Component:
    name = "norm/intrinsic"
    first = series[name].first if name in series else None
    begin = html.Span(words.number(first), **{"data-value": name, "data-format": "first"})
    return parts.figure(
        "Intrinsic norm", _live(name, "number", last), html.Span(["from ", begin, " at start"])
    )


def _bound(last: Mapping[str, Any]) -> Component:
    bound, largest = last.get("gradient/bound_max"), last.get("gradient/input_max")
    ratio = UNBOUND
    if isinstance(bound, int | float) and isinstance(largest, int | float) and largest:
        ratio = f"{words.number(bound / largest, 2)} × the largest measured"
    names = "gradient/bound_max gradient/input_max"
    times = html.Span(ratio, **{"data-value": names, "data-format": "times"})
    return parts.figure(
        "Bound",
        _live("gradient/bound_max", "number", last),
        times,
    )


def robust_figure(
    job: Job,
    curve: Mapping[str, Any],
    titles: Mapping[str, str] = MappingProxyType({}),
    concerns: str = "",
) -> Component | None:
    """Accuracy under the attack at the middle of its grid, what it was measured on, and what its
    evaluation card warns of."""
    pairs = [(float(x), y) for x, y in zip(curve["x"], curve["y"], strict=True) if float(x) > 0]
    if not pairs:
        return None
    eps, accuracy = pairs[len(pairs) // 2]
    attacks: Sequence[Mapping[str, Any]] = job["spec"].get("attacks", [])
    norm = next((attack["norm"] for attack in attacks if attack.get("norm")), "")
    several = f"worst of {len(attacks)}" if len(attacks) > 1 else ""
    names = several or attack_words(attacks[0], titles)
    context = [
        dcc.Link(f"{names.split(',')[0]}, {examples(job)} examples", href=f"/jobs/{job['id']}"),
        html.Div(f"! its card: {concerns}", className="figure-caution") if concerns else None,
    ]
    return parts.figure(
        f"Robust, {norm} {eps:g}".replace(",  ", ", "), words.percent(accuracy), context
    )


def examples(job: Job) -> str:
    """How many examples an attack job looked at: what it told, else at most its limit."""
    told = (job.get("info") or {}).get("examples")
    return str(told) if told else f"up to {job['spec'].get('limit', '?')}"
