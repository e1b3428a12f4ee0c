"""From one request to many jobs: every combination of the values that a grid gives to fields."""

from __future__ import annotations

import copy
import hashlib
import itertools
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from backend import launch
from backend.errors import Problem, bad_field
from backend.parts import Parts
from backend.requests import NewSweep, validated
from backend.store import jobs, sweeps

MOST_JOBS = 1000
SEED = "spec.seed"


def grid_of(asked: NewSweep) -> dict[str, list[Any]]:
    """The swept fields and their values; seeds are one field more. 422 beyond MOST_JOBS."""
    grid = dict(asked.grid)
    if asked.seeds:
        grid[SEED] = list(asked.seeds)
    if not grid:
        raise bad_field("grid", "give at least one field, or seeds, with the values to try")
    count = 1
    for path, values in grid.items():
        if not values:
            raise bad_field(f"grid.{path}", "give at least one value")
        count *= len(values)
    if count > MOST_JOBS:
        raise bad_field("grid", f"{count} jobs, {MOST_JOBS} are allowed in a sweep")
    return grid


def points(grid: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    """Every combination, the last field changing fastest."""
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def body(base: Mapping[str, Any], point: Mapping[str, Any]) -> dict[str, Any]:
    """The base with the point's values put in. 422 naming a path that leads nowhere."""
    found = copy.deepcopy(dict(base))
    for path, value in point.items():
        *steps, last = path.split(".")
        place: Any = found
        for step in steps:
            place = _inside(place, step, path)
        if isinstance(place, list):
            _inside(place, last, path)
            place[int(last)] = value
        elif isinstance(place, dict):
            place[last] = value
        else:
            raise bad_field(f"grid.{path}", "there is no such field in the base")
    return found


def at(document: Any, path: str) -> Any:
    """The value at a path, None where there is none."""
    for step in path.split("."):
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return document


def _inside(place: Any, step: str, path: str) -> Any:
    if isinstance(place, list) and step.isdigit() and int(step) < len(place):
        return place[int(step)]
    if isinstance(place, dict) and step in place:
        return place[step]
    known = isinstance(place, dict) and step in (place.get("spec") or {})
    hint = f"; of the spec's own it is called spec.{path}" if known else ""
    raise bad_field(f"grid.{path}", f"there is no {step!r} in the base{hint}")


def prepared(given: Parts, asked: NewSweep) -> tuple[dict[str, list[Any]], list[dict[str, Any]]]:
    """The grid, and every job as it will be inserted, validated and costed.

    422 naming the field, and of which combination, if one cannot be.
    """
    grid = grid_of(asked)
    base = _reaching(given, asked.base, grid)
    made = []
    for point in points(grid):
        told = ", ".join(f"{path.rsplit('.', 1)[-1]}={said(v)}" for path, v in point.items())
        try:
            new, _ = launch.prepared(given, body(base, point))
        except Problem as problem:
            _replace(problem, grid, SEED not in asked.grid)
            problem.detail = f"{problem.detail} (at {told})"
            raise
        named = asked.name or asked.base.get("name") or new["name"]
        made.append({**new, "name": f"{named} · {told}"[:200]})
    return grid, made


def _reaching(given: Parts, base: Mapping[str, Any], grid: Mapping[str, Any]) -> Mapping[str, Any]:
    """The base; where a path leads to what the base leaves to its default, with the defaults.

    422 for what is wrong in the base itself, which would have no defaults to lead to.
    """
    try:
        body(base, dict.fromkeys(grid))
    except Problem:
        try:
            asked = validated(given.requests.job, base)
        except Problem as problem:
            problem.errors = [one for one in problem.errors if not _swept(one[0], grid)]
            if not problem.errors:
                return base
            problem.detail = ": ".join(problem.errors[0])
            _replace(problem, grid)
            raise
        return {**base, "spec": asked.spec.model_dump(mode="json")}
    return base


def _replace(problem: Problem, grid: Mapping[str, Any], seeds: bool = True) -> None:
    """Name the places in the sweep's request, in the sentence too; `seeds` are its own field,
    where the grid was not given the seed."""
    first = f"{problem.errors[0][0]}: " if problem.errors else ""
    mine = {SEED: "seeds"} if seeds and SEED in grid else {}
    problem.errors = [(mine.get(at) or _place(at, grid), why) for at, why in problem.errors]
    if first and problem.detail.startswith(first):
        problem.detail = f"{problem.errors[0][0]}: {problem.detail.removeprefix(first)}"


def _swept(field: str, grid: Mapping[str, Any]) -> bool:
    return any(field == path or field.startswith(f"{path}.") for path in grid)


def _place(field: str, grid: Mapping[str, Any]) -> str:
    """Where in the sweep's request a job's field came from: its grid, else its base."""
    known = field.startswith("grid.")
    return field if known else f"grid.{field}" if _swept(field, grid) else f"base.{field}"


def said(value: Any) -> str:
    """A swept value in a name: entries by theirs and their numbers, the rest as it is."""
    if isinstance(value, dict) and "name" in value:
        return " ".join(str(part) for part in value.values() if not isinstance(part, dict | list))
    if isinstance(value, list) and value and all(isinstance(part, dict) for part in value):
        return " + ".join(map(said, value))
    return str(value)


def start(given: Parts, value: Any, key: str | None) -> tuple[jobs.Row, bool]:
    """The sweep's row, and whether it is new: a repeated key finds the first."""
    asked = validated(given.requests.sweep, value)
    digest = hashlib.sha256(_bytes(asked)).hexdigest()
    if key is not None and (first := _first(given, key, digest)):
        return first, False
    grid, made = prepared(given, asked)
    launch.require_room(given, len(made))
    launch.require_share(given, sum(new["estimate"]["seconds"] for new in made))
    row = {
        "id": launch.new_id(),
        "name": asked.name or asked.base.get("name") or made[0]["name"].split(" · ")[0],
        "base": asked.base,
        "grid": grid,
        "created_at": time.time(),
        "idempotency_key": key,
        "request_hash": digest,
    }
    launch.queue_all(given, [{**new, "sweep": row["id"]} for new in made], sweep=row)
    return row, True


def _bytes(asked: NewSweep) -> bytes:
    """The request as JSON; 422 where it holds a number that no store does."""
    try:
        return orjson.dumps(asked.model_dump(), default=str)
    except TypeError as error:
        raise bad_field("base", "a whole number in it is beyond 64 bits") from error


def _first(given: Parts, key: str, digest: str) -> jobs.Row | None:
    with given.store.read() as connection:
        row = sweeps.by_idempotency_key(connection, key)
    if row is not None and row["request_hash"] != digest:
        message = "was used for another request"
        raise Problem(409, f"Idempotency-Key {message}.", [("Idempotency-Key", message)])
    return row


def document(row: jobs.Row, members: list[jobs.Row]) -> dict[str, Any]:
    """The sweep as REST shows it: its fields, and of each job the values it was given."""
    counts: dict[str, int] = {}
    for job in members:
        counts[job["state"]] = counts.get(job["state"], 0) + 1
    return {
        **{name: row[name] for name in ("id", "name", "base", "grid")},
        "created_at": row["created_at"],
        "counts": counts,
        "done": sum(_share(job) for job in members) / max(len(members), 1),
        "jobs": [
            {
                "id": job["id"],
                "name": job["name"],
                "state": job["state"],
                "values": {path: at({"spec": job["spec"]}, path) for path in row["grid"]},
                "summary": job["summary"],
            }
            for job in members
        ],
    }


def _share(job: jobs.Row) -> float:
    if job["state"] in jobs.ENDED:
        return 1.0
    return (job["step"] or 0) / job["steps"] if job["steps"] else 0.0
