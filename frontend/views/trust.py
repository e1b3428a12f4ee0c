"""The evaluation card of an attack job: whether its number can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dash import html
from dash.development.base_component import Component

from frontend import parts, specs
from frontend.views.curves import Told
from frontend.views.head import attack_words

Checks = Sequence[tuple[str, Any, str]]


def attacks_of(told: Told) -> list[Mapping[str, Any]]:
    return list(told.job["spec"].get("attacks") or [])


def words_of(told: Told, attack: Mapping[str, Any]) -> str:
    """An attack of a job, by its title."""
    return attack_words(attack, specs.titles(told.catalog, "attack"))


def place(attack: Mapping[str, Any]) -> str:
    """The measurement that holds an attack's checks."""
    return f"attack/{attack['name']}/card"


def evaluation_card(told: Told) -> Component:
    attacks = attacks_of(told)
    tables = [(attack, told.newest(place(attack))) for attack in attacks]
    body: list[Any] = []
    for attack, item in tables:
        if item is None:
            continue
        checks, alone = list(checks_of(item["value"])), len(attacks) == 1
        body.append(_trusted(words_of(told, attack), checks, alone=alone))
    waiting = html.P("The checks come with the last budget.", className="about")
    names = " ".join(place(attack) for attack in attacks)
    return html.Div(
        parts.card(
            body or waiting,
            title="Evaluation card",
            about="can this number be trusted?",
            className="evaluation",
            id="attack-evaluation",
        ),
        **{"data-measurement": names},
    )


def _trusted(name: str, checks: Checks, *, alone: bool) -> Component:
    """An attack's checks; of several attacks those are folded that passed them all."""
    listed = html.Ul([_check(*row) for row in checks], className="checks")
    if alone:
        return listed
    told = concerns(checks)
    summary = html.Summary([html.Strong(name), f": {told or f'all {len(checks)} passed'}"])
    return html.Details([summary, listed], open=bool(told), className="trusted")


def concerns(checks: Checks) -> str:
    """How many checks did not pass: "1 failed, 1 careful"; empty where all did."""
    failed = sum(passed is False for _, passed, _ in checks)
    careful = sum(passed is None for _, passed, _ in checks)
    told = [f"{failed} failed"] * bool(failed) + [f"{careful} careful"] * bool(careful)
    return ", ".join(told)


def warnings(told: Told) -> list[str]:
    """What the checks that did not pass found, to stand beside the numbers."""
    attacks = attacks_of(told)
    return [
        f"{f'{words_of(told, attack)}: ' * (len(attacks) > 1)}{detail or f'not so: {name}'}"
        for attack in attacks
        if (item := told.newest(place(attack)))
        for name, passed, detail in checks_of(item["value"])
        if not passed
    ]


def checks_of(value: Mapping[str, Any]) -> Iterable[tuple[str, Any, str]]:
    columns = value["columns"]
    details = columns.get("detail") or [""] * len(columns["check"])
    return zip(columns["check"], columns["passed"], details, strict=True)


def _check(name: str, passed: Any, detail: Any) -> Component:
    word, kind = ("passed", "pass") if passed else ("failed", "fail")
    if passed is None:
        word, kind = "careful", "note"
    mark = {"pass": "✓", "fail": "✗", "note": "!"}[kind]
    return html.Li(
        [
            html.Span(mark, className="check-mark", **{"aria-hidden": "true"}),
            html.Span(
                [
                    html.Span(str(name), className="check-name"),
                    html.Span(str(detail), className="about") if detail else None,
                ],
                className="check-words",
            ),
            html.Span(word, className="check-word"),
        ],
        className=f"check {kind}",
    )
