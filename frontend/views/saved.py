"""Readings that a diagnose or attack job has already taken of a network, and those on their way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from frontend import parts, words
from frontend.api import Api, Job
from frontend.views import load
from frontend.views.head import ENDED

USEFUL = ("succeeded", "running", "queued", "interrupted")
Fits = Callable[[Mapping[str, Any]], bool]
"""Whether an entry's parameters, and the spec's about it, are what is looked for."""
SLOTS = {"diagnose": "diagnostics", "attack": "attacks"}


@dataclass(frozen=True)
class Saved:
    """A job with the parameters of the entry that was looked for, and what it has told."""

    job: Job
    choice: Mapping[str, Any]
    values: Mapping[str, Any]
    cursor: str

    @property
    def over(self) -> bool:
        return self.job["state"] in ENDED

    def for_script(self) -> dict[str, Any]:
        """What assets/follow.js needs to go on from here."""
        return {
            "id": self.job["id"],
            "state": self.job["state"],
            "after": self.cursor,
            "values": dict(self.values),
            "choice": dict(self.choice),
        }


def matching(jobs: Sequence[Job], name: str, fits: Fits) -> Job | None:
    """The newest of the jobs that has the entry `name` with parameters that fit, ended ones
    first."""
    found = [job for job in jobs if job["state"] in USEFUL and _has(job, name, fits)]
    done = [job for job in found if job["state"] == "succeeded"]
    return next(iter(done or found), None)


def _has(job: Job, name: str, fits: Fits) -> bool:
    choice = chosen(job, name)
    return choice is not None and fits({**job["spec"], **choice})


def having(**wanted: Any) -> Fits:
    """Exactly these parameters, whatever the others."""
    return lambda choice: all(choice.get(key) == value for key, value in wanted.items())


def chosen(job: Job, name: str) -> Mapping[str, Any] | None:
    """The entry in the job's spec, with its parameters."""
    slot = job["spec"].get(SLOTS[job["kind"]]) or []
    return next((choice for choice in slot if choice["name"] == name), None)


async def diagnosis(api: Api, source: str, name: str, fits: Fits) -> Saved | None:
    """The readings of one diagnostic of a network, where some job has taken them or will."""
    return await _read(api, matching(await load.diagnoses_of(api, source), name, fits), name)


async def attack(api: Api, source: str, name: str, fits: Fits) -> Saved | None:
    """The results of one attack on a network, likewise."""
    return await _read(api, matching(await load.attacks_on(api, source), name, fits), name)


async def _read(api: Api, job: Job | None, name: str) -> Saved | None:
    if job is None:
        return None
    history = await api.measurements(job["id"], points=load.POINTS)
    newest = sorted(history["items"], key=lambda item: (item["attempt"], item["seq"]))
    values = {item["name"]: item["value"] for item in newest}
    return Saved(job, chosen(job, name) or {}, values, history["next"])


async def cost(api: Api, requests: Sequence[Mapping[str, Any]]) -> str:
    """About how long the requests take together, in words. Raises ApiError where one is refused."""
    told = await asyncio.gather(*[api.estimate(request) for request in requests])
    took = words.duration(sum(float(one["seconds"]) for one in told))
    return took if took.startswith("under") else f"about {took}"


def line(label: str, found: Saved | None, missing: str) -> Component:
    """Where the numbers come from: the job's state, age and page; the script keeps it current."""
    if found is None:
        return html.P([html.Strong(label), f" {missing}"], className="about run-line")
    job = found.job
    return html.P(
        [
            html.Strong(label),
            " ",
            parts.state_badge(job["state"]),
            " ",
            dcc.Link(words.ago(job["created_at"]), href=f"/jobs/{job['id']}"),
            html.Span("", **{"data-run-told": ""}),
        ],
        className="about run-line",
        **{"data-run": job["id"], "aria-live": "polite"},
    )
