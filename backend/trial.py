"""The runs that test a claim on this machine, and the verdict that they give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from backend import verdict
from backend.store import jobs, overlay
from backend.store.measurements import Range
from backend.sweep import at
from backend.verdict import Found
from worker.contract.claims import Claim, Greater, NeverAbove, RisesWith, tag

MOST_POINTS = 20_000


@dataclass(frozen=True)
class Run:
    """A trained network of the claim, and the newest finished attack on it, if there is one."""

    row: jobs.Row
    attack: jobs.Row | None

    def value(self, measure: str) -> float | None:
        """A scalar's last value; of an attack where the measurement is one."""
        of = self.attack if measure.startswith("attack/") else self.row
        found = of["summary"].get(measure) if of else None
        return float(found) if isinstance(found, int | float) else None

    def place(self, path: str) -> Any:
        return at({"spec": self.row["spec"]}, path)


def runs(connection: Connection, name: str) -> tuple[list[Run], dict[str, int]]:
    """The claim's finished runs, and how many of its jobs are in each state."""
    where = jobs.Filter(tag=[tag(name)])
    rows, _ = jobs.listing(connection, where, "created_at", 1000, None)
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    done = [row for row in rows if row["state"] == "succeeded"]
    attacks = {row["spec"]["source"]: row for row in done if row["kind"] == "attack"}
    trained = [Run(row, attacks.get(row["id"])) for row in done if row["kind"] == "train"]
    return trained, counts


def judge(connection: Connection, claim: Claim, found: Sequence[Run]) -> tuple[Found, list[Any]]:
    """The verdict, and the points it rests on: of each run its job, group and value."""
    test = claim.test
    if isinstance(test, NeverAbove):
        pairs = [pair for run in found for pair in _pairs(connection, run.row["id"], test)]
        return verdict.never_above(pairs, len(found)), []
    points = [
        {"job": run.row["id"], "group": run.place(test.path), "value": value}
        for run in found
        if (value := run.value(test.measure)) is not None
    ]
    if isinstance(test, RisesWith):
        xs = [float(point["group"]) for point in points]
        return verdict.rises_with(xs, [p["value"] for p in points], test.falls), points
    return verdict.greater(*_groups(claim, test, points)), points


def _groups(claim: Claim, test: Greater, points: list[dict[str, Any]]) -> list[list[float]]:
    values = claim.grid[test.path]
    return [
        [point["value"] for point in points if _same(point["group"], values[index])]
        for index in (test.of, test.than)
    ]


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
    low, high = (
        overlay.read(connection, job, name, Range(), MOST_POINTS) for name in (test.low, test.high)
    )
    known = dict(zip(high["step"], high["value"], strict=True))
    return [
        (value, known[step])
        for step, value in zip(low["step"], low["value"], strict=True)
        if isinstance(value, float) and isinstance(known.get(step), float)
    ]
