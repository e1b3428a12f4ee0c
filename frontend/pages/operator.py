"""Operator: workers, queue, recorder, sizes; for admins who may come in and what was done."""

from __future__ import annotations

import asyncio
from typing import Any

import dash
from dash import Input, Output, callback, dcc, html, no_update
from dash.development.base_component import Component

from frontend import parts, words
from frontend.api import visitor
from frontend.parts import Content
from frontend.refusals import or_else

PATH = "/operator"
BEAT, FAULT, FIGURES, STEPS = (f"operator-{name}" for name in ("beat", "fault", "figures", "steps"))
WORKERS, KEEPS = "operator-workers", "operator-keeps"
TOKENS, DEEDS = "operator-tokens", "operator-deeds"
EVERY_MS = 3000
MOST_DEEDS = 20
AWAY = "the broker does not answer: nothing is known of workers and queue"

dash.register_page(__name__, path=PATH, title="Operator – Normscope")


def layout(**_: Any) -> Component:
    """Cards and tables stand still; what is renewed are the figures and the tables' rows."""
    steps = html.Span("…", id=STEPS)
    tokens = "made and revoked by python -m backend tokens; nobody can read one again"
    deeds = f"the last {MOST_DEEDS} changes and refusals; GET /api/v1/audit has all"
    kept = [_card("Tokens", tokens, TOKENS), _card("Audit log", deeds, DEEDS)]
    return html.Div(
        [
            dcc.Interval(id=BEAT, interval=EVERY_MS),
            parts.header("Operator", facts="renewed every few seconds"),
            html.Div(id=FAULT),
            html.Div([parts.skeleton(60)] * 10, id=FIGURES, className="figures operator-figures"),
            html.Div(_card("Workers", steps, WORKERS), className="operator-cards"),
            html.Div(kept, id=KEEPS, className="operator-cards", hidden=True),
        ]
    )


def _card(title: str, about: Any, table: str) -> Component:
    rows = html.Table(id=table, className="plain-table")
    return parts.card(html.Div(rows, className="table-place", tabIndex=0), title=title, about=about)


@callback(
    Output(FAULT, "children"),
    Output(FIGURES, "children"),
    Output(STEPS, "children"),
    Output(WORKERS, "children"),
    Output(KEEPS, "hidden"),
    Output(TOKENS, "children"),
    Output(DEEDS, "children"),
    Input(BEAT, "n_intervals"),
)
@or_else(lambda error, *_: (parts.failed(error), *[no_update] * 6))
async def fill(_: int | None) -> Any:
    api = visitor()
    seen, me = await asyncio.gather(api.operator(), api.me())
    told = None, figures(seen), _steps(seen["broker"]), workers(seen["broker"])
    if me["role"] != "admin":
        return *told, True, None, None
    tokens, deeds = await asyncio.gather(api.tokens(), api.audit(limit=MOST_DEEDS))
    return *told, False, _tokens(tokens), _deeds(deeds)


def figures(seen: dict[str, Any]) -> list[Component]:
    jobs, broker = seen["jobs"], seen["broker"] or {}
    waits = words.duration(seen["queued_s"]) if jobs["queued"] else "none waits"
    lag, lease = (words.duration(broker.get(name)) for name in ("recorder_lag_s", "lease_s"))
    rows = [
        ("Queued", words.count(jobs["queued"]), f"oldest: {waits}"),
        ("Running", words.count(jobs["running"]), f"{jobs['interrupted']} interrupted"),
        ("Messages", words.count(broker.get("messages")), "not yet taken by a worker"),
        ("Recorder's lag", lag, f"recorders: {words.count(broker.get('recorders'))}"),
        ("Oldest lease", lease if jobs["running"] else "–", "since it was renewed"),
        ("Points", words.count(broker.get("points")), "recorded in all"),
        ("Viewers", words.count(seen["event_streams"]), "open event streams"),
        ("Database", words.size(seen["database_bytes"]), seen["database"]),
        ("Files of jobs", words.size(seen["artifact_bytes"]), "networks and tables"),
        ("Free disk", words.size(seen["disk_free_bytes"]), f"of {words.size(seen['disk_bytes'])}"),
    ]
    return [parts.figure(*row) for row in rows]


def _steps(broker: dict[str, Any] | None) -> str:
    if broker is None:
        return AWAY
    means = ((kind, mean) for kind, mean in broker["step_s"].items() if mean is not None)
    found = ", ".join(f"{kind} {words.number(1000 * mean)} ms" for kind, mean in means)
    return f"a step takes: {found}" if found else "no step was taken yet"


def workers(broker: dict[str, Any] | None) -> list[Component]:
    rows = [
        [
            card["name"],
            card["device"],
            f"lost: {card['reason']}" if card["state"] == "lost" else card["state"],
            dcc.Link(card["job"], href=f"/jobs/{card['job']}") if card["job"] else "–",
            words.ago(card["since"]),
        ]
        for card in (broker or {}).get("workers", [])
    ]
    return _rows(("Process", "Device", "State", "Job", "Since"), rows, "No worker is alive.")


def _tokens(tokens: list[dict[str, Any]]) -> list[Component]:
    rows = [
        [
            token["name"],
            token["role"],
            words.ago(token["made_at"]) if token["made_at"] else "at the first start",
            f"revoked {words.ago(token['revoked_at'])}" if token["revoked_at"] else "in use",
        ]
        for token in tokens
    ]
    return _rows(("Name", "Role", "Made", "State"), rows, "")


def _deeds(deeds: list[dict[str, Any]]) -> list[Component]:
    rows = [
        [
            words.ago(deed["at"]),
            deed["who"],
            html.Code(deed["what"]),
            _about(deed),
            str(deed["outcome"] or "by hand"),
        ]
        for deed in deeds
    ]
    heads = ("When", "Who", "What", "Job or sweep", "Answer")
    return _rows(heads, rows, "Nobody changed anything yet.")


def _about(deed: dict[str, Any]) -> Content:
    """The job or sweep that a deed was about, where it may still be there to go to."""
    if not deed["job"] or deed["outcome"] >= 400 or deed["what"].startswith("DELETE"):
        return deed["job"] or "–"
    kind = "sweeps" if "/sweeps" in deed["what"] else "jobs"
    return dcc.Link(deed["job"], href=f"/{kind}/{deed['job']}")


def _rows(heads: tuple[str, ...], rows: list[list[Any]], nothing: str) -> list[Component]:
    if not rows:
        return [html.Tbody(html.Tr(html.Td(nothing)))]
    head = html.Thead(html.Tr([html.Th(word, scope="col") for word in heads]))
    return [head, html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])]
