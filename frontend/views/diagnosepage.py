"""What the diagnose page is made of: its head, its form, its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html
from dash.development.base_component import Component

from frontend import links, parts
from frontend.api import Api, Catalog, Job
from frontend.views import diagnoseform, diagnoses, diagnosis, ids, load
from frontend.views import head as about
from frontend.views.called import called
from frontend.views.curves import Told

ASKING, PICK, CANCEL = "diagnose-asking", "diagnose-pick", "diagnose-cancel"
LEAD = "Look at a trained network as closely as you like; every reading says what it is of."


def head(job: Job | None) -> Component:
    if job is None:
        lead = html.P(LEAD, className="lead")
        crumbs = [("Labs", ""), ("diagnose", "")]
        return parts.header("Diagnose a network", crumbs=crumbs, under=lead)
    return parts.header(
        f"Diagnose {called(job)}",
        crumbs=[("Labs", ""), ("diagnose", "")],
        facts=about.what(job),
        actions=parts.button_link("Its training", f"/jobs/{job['id']}"),
    )


def shared(packed: str | None) -> dict[str, Any]:
    """The form as someone's link had it."""
    spec = ((links.unpacked(packed) if packed else None) or {}).get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get(diagnoseform.SLOT), list):
        return {}
    named = all(isinstance(one, dict) and "name" in one for one in spec[diagnoseform.SLOT])
    return spec if named else {}


def body(
    catalog: Catalog,
    job: Job,
    spec: Mapping[str, Any],
    peers: Sequence[Job],
    runs: Sequence[Job],
    asked: Mapping[str, Any],
    unfit: Mapping[str, str] = MappingProxyType({}),
) -> Component:
    """The form beside its estimate and button; beneath, which diagnosis is shown."""
    picked = diagnoses.opened(runs, asked["run"])
    form = html.Div(
        [
            diagnoseform.form(catalog, spec, peers, unfit),
            diagnoseform.side(ready=job["state"] in about.ENDED),
        ],
        className="launch",
    )
    begin = picked is None or bool(asked["r"])
    summary = html.Summary("Choose what to look at")
    folded = html.Details([summary, form], id=ASKING, open=begin, className="asking")
    return html.Div([folded, _picker(catalog, runs, picked)])


def _picker(catalog: Catalog, runs: Sequence[Job], picked: str | None) -> Component:
    select = dmc.Select(
        id=PICK,
        label="Readings of",
        data=diagnoses.choices(catalog, runs),
        value=picked,
        placeholder="none yet",
        allowDeselect=False,
        size="sm",
    )
    return html.Div(select, className="attack-picker")


def wrong(lines: Sequence[str]) -> Component:
    return html.Div(
        [html.P(line.removeprefix("spec.")) for line in lines], className="warned", role="alert"
    )


async def shown(api: Api, picked: str) -> tuple[Component, list[Component | None], Told]:
    told = await load.told(api, picked)
    waiting = await load.waiting(api, told.job)
    status = html.Div([_status(told.job, waiting), about.failure(told.job)])
    return status, diagnosis.diagnosis(told, load.scheme()), told


def _status(job: Job, waiting: str) -> Component:
    cancel = html.Button(
        "Cancel", id=CANCEL, className="plain-button danger", **about.during(about.ALIVE, job)
    )
    link = dcc.Link("its job", href=f"/jobs/{job['id']}", className="about")
    badge = parts.state_badge(job["state"], id=ids.JOB_STATE)
    return html.Div([badge, about.progress(job, waiting), link, cancel], className="attack-status")
