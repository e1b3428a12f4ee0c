"""The runs that test a claim on this machine, and the verdict that they give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from backend import verdict
from backend.store import jobs, overlay
from backend.store.names import Range, series_of_jobs
from backend.sweep import at, body, points
from backend.verdict import Found
from worker.contract import claims as documents
from worker.contract.claims import (
    Claim,
    Exceeds,
    Greater,
    NeverAbove,
    RisesTogether,
    RisesWith,
    Test,
)

MOST_POINTS = 20_000


@dataclass(frozen=True)
class Run:
    """A trained network of the claim, and the newest finished attack on it, if there is one."""

    row: jobs.Row
    attack: jobs.Row | None

    def value(self, measure: str) -> float | None:
        """A scalar's last value; of an attack where the measurement is one. Only finite ones:
        REST has the others as words."""
        of = self.attack if measure.startswith("attack/") else self.row
        found = of["summary"].get(measure) if of else None
        return float(found) if isinstance(found, int | float) else None

    def place(self, path: str) -> Any:
        return at({"spec": self.row["spec"]}, path)


@dataclass(frozen=True)
class Trial:
    """A claim's jobs: finished runs, no two alike, and the rest by state."""

    runs: list[Run]
    attackable: list[str]
    counts: dict[str, int]


def trial(connection: Connection, name: str, claim: Claim) -> Trial:
    """The runs count whose spec is one of those that the claim asks for, whatever their seed. A
    run that was made twice is one run: the second tells nothing new."""
    where = jobs.Filter(tag=[documents.tag(name)])
    rows, _ = jobs.listing(connection, where, "created_at", 1000, None)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    attacks = [r for r in rows if r["kind"] == "attack" and _same(r["spec"], claim.attack or {})]
    done = {a["spec"]["source"]: a for a in attacks if a["state"] == "succeeded"}
    busy = {a["spec"]["source"] for a in attacks if a["state"] in jobs.UNFINISHED}
    asked = [body(claim.base, point)["spec"] for point in points(claim.grid)]
    found: dict[Any, Run] = {}
    for row in rows:
        if row["kind"] == "train" and row["state"] == "succeeded":
            place = next((n for n, spec in enumerate(asked) if _same(row["spec"], spec)), None)
            key = (place, row["spec"]["seed"])
            if place is not None and (key not in found or row["id"] in done):
                found[key] = Run(row, done.get(row["id"]))
    runs = list(found.values())
    bare = [run.row["id"] for run in runs if claim.attack and run.attack is None]
    return Trial(runs, [id for id in bare if id not in busy], counts)


def judge(connection: Connection, claim: Claim, runs: Sequence[Run]) -> tuple[Found, list[Point]]:
    """The verdict, and the points it rests on: of each run its job, its value, its group, and its
    place on the horizontal axis where it has one."""
    test = claim.test
    if isinstance(test, NeverAbove):
        return _bounded(connection, claim, test, runs)
    found = []
    for run in runs:
        value, x = _value(test, run), _x(test, run)
        if value is not None and (x is not None or isinstance(test, Greater | Exceeds)):
            found.append(_point(run, value, group=_group(claim, run), x=x))
    values = [point["value"] for point in found]
    match test:
        case Greater():
            of, than = (
                [point["value"] for point in found if point["group"] == test.names[index]]
                for index in (test.of, test.than)
            )
            return verdict.greater(of, than), found
        case Exceeds():
            return verdict.exceeds(values), found
        case RisesWith() | RisesTogether():
            return verdict.rises_with([p["x"] for p in found], values, test.falls), found


Point = dict[str, Any]


def _point(run: Run, value: float, group: str | None, x: float | None = None) -> Point:
    return {"job": run.row["id"], "value": value, "group": group, "x": x}


def _value(test: Test, run: Run) -> float | None:
    if isinstance(test, Exceeds):
        value, other = run.value(test.measure), run.value(test.other)
        return None if value is None or other is None else value - other
    assert not isinstance(test, NeverAbove)
    return run.value(test.measure)


def _x(test: Test, run: Run) -> float | None:
    if isinstance(test, RisesTogether):
        return run.value(test.other)
    return float(run.place(test.path)) if isinstance(test, RisesWith) else None


def _group(claim: Claim, run: Run) -> str | None:
    """What the run's value of the field that tells groups apart is called."""
    test = claim.test
    if not isinstance(test, Greater | NeverAbove):
        return None
    pairs = zip(claim.grid[test.path], test.names, strict=True)
    return next((name for asked, name in pairs if _same(run.place(test.path), asked)), None)


def _bounded(
    connection: Connection, claim: Claim, test: NeverAbove, runs: Sequence[Run]
) -> tuple[Found, list[Point]]:
    """Over all pairs of all runs; a run's point is its largest ratio."""
    every, found = [], []
    for run in runs:
        if pairs := _pairs(connection, run.row["id"], test):
            every += pairs
            worst = max(low / high if high else math.inf for low, high in pairs)
            found.append(_point(run, worst, _group(claim, run)))
    return verdict.never_above(every, len(found)), found


def _same(stored: Any, asked: Any) -> bool:
    """Whether a spec's value is the one asked for: defaults were filled in since."""
    if isinstance(asked, dict):
        return isinstance(stored, dict) and all(_same(stored.get(k), v) for k, v in asked.items())
    if isinstance(asked, list):
        pairs = zip(stored, asked, strict=False) if isinstance(stored, list) else []
        return (
            isinstance(stored, list)
            and len(stored) == len(asked)
            and all(_same(one, other) for one, other in pairs)
        )
    return bool(stored == asked)


def _pairs(connection: Connection, job: str, test: NeverAbove) -> list[tuple[float, float]]:
    """Both measurements at every step where both are known and finite."""
    names = (test.low, test.high)
    parts = series_of_jobs(connection, [job], names)
    low, high = (
        overlay.read(connection, parts.get((job, name), []), Range(), MOST_POINTS) for name in names
    )
    known = dict(zip(high["step"], high["value"], strict=True))
    return [
        (value, known[step])
        for step, value in zip(low["step"], low["value"], strict=True)
        if isinstance(value, float) and isinstance(known.get(step), float)
    ]
