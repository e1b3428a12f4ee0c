"""What tells jobs apart: the fields of their specs in which they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from frontend.api import Job

NAMED = ("methods", "diagnostics", "attacks")
"""Lists of choices: compared by name, not by place."""
LEFT_OUT = ("diagnostics", "log_every", "device")
"""How a run was watched says nothing about what it learned."""


def flat(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A spec as {path: plain value}: `methods.weissi.strength`, `model.hidden` as "128–128"."""
    return dict(_walk(spec, ""))


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        name = value.get("name")
        if path and name is not None:
            yield path, name
        for key, one in value.items():
            if key != "name" and not (not path and key in LEFT_OUT):
                yield from _walk(one, f"{path}.{key}" if path else str(key))
    elif path in NAMED and isinstance(value, Sequence):
        yield path, " + ".join(str(one.get("name")) for one in value)
        for one in value:
            rest = {key: v for key, v in one.items() if key != "name"}
            yield from _walk(rest, f"{path}.{one.get('name')}")
    elif isinstance(value, list):
        yield path, "–".join(str(one) for one in value)
    else:
        yield path, value


def differing(jobs: Sequence[Job]) -> dict[str, list[Any]]:
    """The paths in which the jobs differ, with each job's value; None where it has none."""
    specs = [flat(job["spec"]) for job in jobs]
    paths = dict.fromkeys(path for spec in specs for path in spec)
    found = {path: [spec.get(path) for spec in specs] for path in paths}
    return {path: values for path, values in found.items() if len(set(map(str, values))) > 1}
