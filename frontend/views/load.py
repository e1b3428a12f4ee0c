"""What the job and attack pages ask of the API, and of the visitor's browser."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from dash import ctx

from frontend.api import Api, ApiError, Artifact, Catalog, Job, Measurements
from frontend.plots.series import current
from frontend.views import line
from frontend.views.curves import Told
from frontend.views.head import ENDED

POINTS = 2000
NAMES = 200
"""A page of more plots than these names make is slow, and nobody's to read."""
FIRST = "train/loss,train/*,test/*,validation/*,norm/intrinsic,gradient/*,norm/*,attack/*,*"
"""Whose room that is where there are more."""
"""Most points of a series in a first drawing; beyond, the API thins by smallest and largest."""


async def told(api: Api, job_id: str, job: Job | None = None) -> Told:
    """A job and its history, in one round."""
    if job is None:
        job, history, catalog = await asyncio.gather(
            api.job(job_id), _history(api, job_id), catalogue(api)
        )
    else:
        history, catalog = await asyncio.gather(_history(api, job_id), catalogue(api))
    if job["state"] in ENDED and history["next"] != job.get("cursor", history["next"]):
        # It ended between the two answers, and no event will bring what is missing.
        history = await _history(api, job_id)
    items, left_out = current(history["items"]), history.get("names_left_out", 0)
    return Told(job, items, history["next"], bool(history["downsampled"]), catalog, left_out)


async def _history(api: Api, job_id: str) -> Measurements:
    return await api.measurements(job_id, points=POINTS, names=NAMES, name=FIRST)


async def catalogue(api: Api) -> Catalog | None:
    """Titles are a comfort: a page goes on without them."""
    try:
        return await api.catalog()
    except ApiError:
        return None


def for_script(told: Told, owner: str, renews: dict[str, str]) -> dict[str, Any]:
    """What the live script needs to go on from here."""
    job, done = told.job, told.job["progress"] or {}
    return {
        "owner": owner,
        "renews": renews,
        "job": job["id"],
        "name": job["name"],
        "kind": job["kind"],
        "state": job["state"],
        "told": f"{job['attempt']} {job['state']}",
        "attempt": max((item["attempt"] for item in told.items), default=job["attempt"]),
        "after": told.cursor,
        "began": told.began,
        "steps": done.get("steps"),
        "eta": done.get("eta_s") if job["state"] == "running" else None,
        "epochs": done.get("epochs") or job["spec"].get("epochs"),
        "attacks": [attack["name"] for attack in job["spec"].get("attacks", [])],
    }


async def attacks_on(api: Api, source: str) -> list[Job]:
    """The attack jobs of a network, newest first."""
    found = await api.jobs(kind="attack", q=source, sort="-created_at", limit=200)
    return [job for job in found["items"] if job["spec"].get("source") == source]


async def diagnoses_of(api: Api, source: str) -> list[Job]:
    """The diagnose jobs of a network, newest first."""
    found = await api.jobs(kind="diagnose", q=source, sort="-created_at", limit=200)
    return [job for job in found["items"] if job["spec"].get("source") == source]


async def artifacts(api: Api, job: str) -> Sequence[Artifact]:
    try:
        return await api.artifacts(job)
    except ApiError:
        return []


async def waiting(api: Api, job: Job) -> str:
    """Why a queued job does not run yet."""
    if job["state"] == "interrupted":
        return "its worker was lost; it is sent to another one"
    if job["state"] != "queued":
        return ""
    try:
        queue, workers = await asyncio.gather(
            api.jobs(state="queued", sort="created_at", limit=200), api.workers()
        )
    except ApiError:
        return "waiting"
    return line.why(job, queue["items"], workers)


def scheme() -> str:
    """Light or dark, as the browser's script wrote it down."""
    return "dark" if (ctx.cookies or {}).get("normscope_scheme") == "dark" else "light"


def origin() -> str:
    """The address that the visitor uses."""
    headers = ctx.headers or {}
    protocol = headers.get("x-forwarded-proto", "http")
    return f"{protocol}://{headers.get('host', '127.0.0.1:8050')}"
