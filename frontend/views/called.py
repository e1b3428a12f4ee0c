"""What a job is called by: its name; one that got none, by what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontend.api import Job

ALWAYS = "cross_entropy"
"""The loss that nearly every training has: it tells nothing where there is another method."""


def called(job: Job) -> str:
    """Its name; without one "digits, weissi 0.03 (abc123)"."""
    if job["name"] or job["kind"] != "train":
        return str(job["name"] or job["id"])
    data = (job["spec"].get("dataset") or {}).get("name")
    return f"{data}, {methods(job['spec'])} ({job['id']})"


def methods(spec: Mapping[str, Any]) -> str:
    """The methods that a training's penalties and moves came from: "weissi 0.03 + sam"."""
    chosen = spec.get("methods") or []
    telling = [one for one in chosen if one["name"] != ALWAYS] or chosen
    return " + ".join(_told(one) for one in telling)


def _told(method: Mapping[str, Any]) -> str:
    strength = method.get("strength")
    known = f" {strength:g}" if isinstance(strength, int | float) else ""
    return str(method["name"]).replace("_", " ") + known
