"""Below a job's plots: its spec, what it left, its measurements to take away, its attacks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import links, parts, words
from frontend.api import Artifact, Catalog, Job
from frontend.views.called import called
from frontend.views.head import ENDED, what


def sections(
    job: Job,
    artifacts: Sequence[Artifact],
    attacks: Sequence[Job],
    origin: str,
    catalog: Catalog | None = None,
) -> list[Component]:
    shown = [
        _spec(job, origin),
        html.Div([_left(job, artifacts), _measured(job)], className="stack"),
    ]
    if job["kind"] == "train" and (attacks or job["state"] != "failed"):
        shown.append(_attacks(job, attacks, catalog))
    return shown


def request_of(job: Job) -> dict[str, Any]:
    """What would ask for this job again."""
    request: dict[str, Any] = {"kind": job["kind"], "spec": job["spec"]}
    if job["name"]:
        request["name"] = job["name"]
    return request


def _spec(job: Job, origin: str) -> Component:
    text = json.dumps(job["spec"], indent=2, ensure_ascii=False)
    curl = links.curl(request_of(job), origin)
    return parts.card(
        [
            _code("job-spec", text),
            html.Details(
                [html.Summary("The same from a shell"), _code("job-curl", curl)],
                className="folded",
            ),
        ],
        title="Spec",
        about=f"the whole request; catalogue {job['catalogue'] or 'unknown'}",
        className="spec",
    )


def _code(id: str, text: str) -> Component:
    return html.Div(
        [
            html.Pre(text, id=id, className="curl", tabIndex=0),
            dcc.Clipboard(target_id=id, title="Copy", className="copy"),
        ],
        className="code",
    )


def _left(job: Job, artifacts: Sequence[Artifact]) -> Component:
    rows = [
        html.Tr(
            [
                html.Td(
                    html.A(found["name"], href=f"/api/v1/artifacts/{found['id']}", download="")
                ),
                html.Td(found["kind"], className="about"),
                html.Td(
                    f"step {found['step']}{_tried(found, artifacts)}", className="about number"
                ),
                html.Td(words.size(found["bytes"]), className="number right"),
            ]
        )
        for found in artifacts
    ]
    over = job["state"] in ENDED
    told = "It left no files." if over else "No files yet; the network is saved at the end."
    none = html.P(told, className="about")
    body = html.Table(html.Tbody(rows), className="plain-table") if rows else none
    return parts.card(body, title="Artifacts", about=_about(job, artifacts), id="job-artifacts")


def _tried(found: Artifact, artifacts: Sequence[Artifact]) -> str:
    """Which attempt left it, where several left files: each one's last is called final."""
    several = len({one["attempt"] for one in artifacts}) > 1
    return f", attempt {found['attempt']}" if several else ""


def _about(job: Job, artifacts: Sequence[Artifact]) -> str:
    """What a network that was chosen was chosen by: an optimist, if by test data."""
    plain = "safetensors: no code inside"
    if not any(found["name"] == "best.safetensors" for found in artifacts):
        return plain
    held = (job["spec"].get("dataset") or {}).get("validation")
    best = "best on validation data" if held else "best on test data, if they were measured"
    return f"{plain}; best: the {best}, of the states kept"


def _measured(job: Job) -> Component:
    address = f"/api/v1/jobs/{job['id']}/measurements?format="
    both = [
        html.A(
            f"Measurements as {format.upper()}",
            href=address + query,
            download=f"{job['id']}.{format}",
            className="button",
        )
        for format, query in (("csv", "csv"), ("json", "json&points=20000"))
    ]
    return parts.card(
        html.Div(both, className="actions"),
        title="Measurements",
        about="CSV: every number recorded; JSON: shapes too, at most 20 000 points a series",
        id="job-downloads",
    )


def _attacks(job: Job, attacks: Sequence[Job], catalog: Catalog | None) -> Component:
    rows = [
        html.Tr(
            [
                html.Td(dcc.Link(called(found), href=f"/jobs/{found['id']}")),
                html.Td(what(found, catalog), className="about"),
                html.Td(found["state"], className="tight"),
                html.Td(words.ago(found["created_at"]), className="about right tight"),
            ]
        )
        for found in attacks
    ]
    if rows:
        body = html.Table(html.Tbody(rows), className="plain-table")
    else:
        button = parts.button_link("Attack this network", f"/lab/attack?job={job['id']}")
        body = parts.empty("How its accuracy falls under attack is not measured yet.", button)
    return parts.card(body, title="Attacks on this network", id="job-attacks", className="wide")
