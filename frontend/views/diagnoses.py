"""The diagnoses of a network to choose from: Diagnose's own, and those that another lab shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontend import specs, words
from frontend.api import Catalog, Job
from frontend.views import bounds, plane, widths
from frontend.views.head import diagnostic_words

LABS = {
    (plane.NAME,): "Landscape",
    (widths.NAME,): "Widths",
    (bounds.CERTIFIED,): "Bounds",
    bounds.LAYERS: "Bounds",
}
"""The lab that asks for just these diagnostics and draws what they read."""
OWN = "Diagnoses"


def lab(spec: Mapping[str, Any]) -> str | None:
    return LABS.get(tuple(one["name"] for one in spec["diagnostics"]))


def opened(runs: Sequence[Job], asked: str | None) -> str | None:
    """The diagnosis that was asked for, else the newest that no other lab shows."""
    known = [job["id"] for job in runs]
    own = [job["id"] for job in runs if lab(job["spec"]) is None]
    return asked if asked in known else next(iter(own), None)


def choices(catalog: Catalog, runs: Sequence[Job]) -> list[dict[str, Any]]:
    """As a select shows them, by the lab that draws them."""
    groups: dict[str, list[dict[str, str]]] = {OWN: []}
    for job in runs:
        name = lab(job["spec"])
        group = groups.setdefault(f"Drawn in the lab {name}" if name else OWN, [])
        group.append({"value": job["id"], "label": _label(catalog, job)})
    return [{"group": name, "items": items} for name, items in groups.items() if items]


def _label(catalog: Catalog, job: Job) -> str:
    said = diagnostic_words(job["spec"], specs.titles(catalog, "diagnostic"))
    ended = [job["state"]] if job["state"] in ("failed", "cancelled") else []
    return " · ".join([said, words.ago(job["created_at"]), *ended])
