"""Which diagnostics make sense of a network and its data, and why others do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontend import specs
from frontend.api import Api, Catalog, Job
from frontend.refusals import tried

FIELD = "spec.diagnostics."


async def unfit(api: Api, catalog: Catalog, job: Job, peers: Sequence[Job]) -> dict[str, str]:
    """The diagnostics that this network cannot have, by name, each with the reason."""
    lonely = {} if peers else {"bias_variance": "it needs other networks of these data"}
    data = (job["spec"].get("dataset") or {}).get("name", "")
    return lonely | unsuited(catalog, data) | await _refused(api, catalog, job)


def unsuited(catalog: Catalog, data: str) -> dict[str, str]:
    """Those that other data are for, with these data's titles."""
    found = {}
    for entry in specs.of_kind(catalog, "diagnostic"):
        wanted = entry["facts"].get("suits") or {}
        fitting = [one for one in specs.of_kind(catalog, "dataset") if _suits(one["facts"], wanted)]
        if wanted and data not in [one["name"] for one in fitting]:
            found[entry["name"]] = f"it is for {_either([one['title'] for one in fitting])}"
    return found


def _suits(facts: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """`suits` of a diagnostic against the facts of a data set."""
    known = {
        "shape": facts["shape"],
        "classes": len(facts["classes"]),
        "extras": facts.get("extras", []),
    }
    return all(known.get(name, value) == value for name, value in wanted.items())


def _either(titles: Sequence[str]) -> str:
    return ", ".join(titles[:-1]) + " or " + titles[-1] if len(titles) > 1 else "".join(titles)


async def _refused(api: Api, catalog: Catalog, job: Job) -> dict[str, str]:
    """Of those that need something of a network, which the API refuses here and what it says."""
    entries = specs.of_kind(catalog, "diagnostic")
    names = [entry["name"] for entry in entries if entry["facts"].get("needs")]
    asked = {"source": job["id"], "diagnostics": [{"name": name} for name in names]}
    _, error = await tried(api.estimate({"kind": "diagnose", "spec": asked}))
    told = error.errors if error else []
    return {
        names[int(place)]: one["message"]
        for one in told
        if (place := one["field"].removeprefix(FIELD)).isdigit() and int(place) < len(names)
    }
