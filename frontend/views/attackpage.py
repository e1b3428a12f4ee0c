"""What the attack page is made of: its head, its form, the choice of a network, its results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import links, parts
from frontend.api import Api, ApiError, Catalog, Job
from frontend.views import attackform, attackruns, example, ids, load, networks, result
from frontend.views import head as about
from frontend.views.called import called


def head(job: Job | None) -> Component:
    if job is None:
        lead = html.P("Which inputs close to the right ones fool a network?", className="lead")
        return parts.header("Attack a network", crumbs=[("Labs", ""), ("attack", "")], under=lead)
    return parts.header(
        f"Attack {called(job)}",
        crumbs=[("Labs", ""), ("attack", "")],
        facts=about.what(job),
        actions=parts.button_link("Its training", f"/jobs/{job['id']}"),
    )


def form(
    catalog: Catalog, job: Job, attacks: list[Job], trained: list[Job], asked: Mapping[str, Any]
) -> Component:
    """The instrument, the form and the choice of results; `trained` are the networks there are."""
    others = networks.alike(job, trained)
    known = [attack["id"] for attack in attacks]
    main = asked["run"] if asked["run"] in known else (known[0] if known else None)
    spec = attackform.fresh(job, catalog) | _shared(asked.get("r"))
    beside = [one for one in asked["beside"] if one in known and one != main]
    return html.Div(
        [
            dcc.Store(id="attack-source", data={"id": job["id"], "data": attackform.data_of(job)}),
            example.example(catalog, job, others, load.scheme(), asked.get("moves")),
            attackform.page_form(catalog, job, trained, spec),
            attackruns.picker(catalog, attacks, main, beside),
        ]
    )


def _shared(packed: str | None) -> dict[str, Any]:
    """The form as someone's link had it."""
    request = links.unpacked(packed) if packed else None
    spec = (request or {}).get("spec")
    if not isinstance(spec, dict) or not isinstance(spec.get("attacks"), list):
        return {}
    wanted = ("attacks", "eps_grid", "split", "limit", "seed", "transfer_from")
    return {key: spec[key] for key in wanted if key in spec}


def wrong(error: ApiError) -> Component:
    lines = [f"{_called(one['field'])}: {one['message']}" for one in error.errors]
    told = lines or [error.sentence]
    return html.Div([html.P(line) for line in told], className="warned", role="alert")


def _called(field: str) -> str:
    """A field as the form calls it, where its own name is not what stands there."""
    name = field.removeprefix("spec.")
    return attackform.MADE_ON if name == "transfer_from" else name


async def shown(api: Api, main: str, beside: list[str]) -> tuple[Component, list[Component], Any]:
    wanted = [main, *[one for one in beside if one != main]]
    told, *others = await asyncio.gather(*[load.told(api, one) for one in wanted])
    waiting = await load.waiting(api, told.job)
    status = [_status(told.job, waiting), about.failure(told.job)]
    return html.Div(status), result.result(told, others, load.scheme()), told


def _status(job: Job, waiting: str) -> Component:
    cancel = html.Button(
        "Cancel",
        id=ids.ATTACK_CANCEL,
        className="plain-button danger",
        **about.during(about.ALIVE, job),
    )
    link = dcc.Link("its job", href=f"/jobs/{job['id']}", className="about")
    badge = parts.state_badge(job["state"], id=ids.JOB_STATE)
    return html.Div([badge, about.progress(job, waiting), link, cancel], className="attack-status")
