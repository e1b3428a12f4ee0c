"""What a comparison of single runs is worth, said before anybody reads a difference into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dash import html
from dash.development.base_component import Component

from frontend.api import Job
from frontend.views.differences import flat

# Two standard errors of a difference of two shares: 2 √(2 p (1 − p) / n) = 2.1 points.
TOLD = (
    "what tells them apart may be chance: another seed moves it. Test accuracies alone say nothing "
    "where they differ by less than 2 √(2 p (1 − p) / n): 2 points at 98 % of 360 test examples. "
    "Launch them again with several seeds, as a sweep over seed."
)


def note(jobs: Sequence[Job]) -> Component | None:
    """Of jobs that differ in more than their seeds, how many settings have run with one alone."""
    settings = Counter(frozenset((flat(job["spec"]) | {"seed": None}).items()) for job in jobs)
    single = sum(count == 1 for count in settings.values())
    if len(settings) < 2 or not single:
        return None
    who = "Every setting has" if single == len(settings) else f"{single} settings have"
    who = "One setting has" if single == 1 else who
    return html.P(f"{who} run with one seed: {TOLD}", className="about seeds-note")
