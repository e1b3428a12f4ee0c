"""What papers claim, the runs that test it here, and what came of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.responses import Response

from backend import launch, sweep, trial
from backend.errors import Problem
from backend.estimate import of_attack
from backend.parts import Given, Parts, json
from backend.requests import validated
from worker.contract import claims
from worker.contract.spec import AttackSpec, TrainSpec

router = APIRouter(tags=["papers"])

Name = Annotated[str | None, Query(max_length=64)]


class Point(BaseModel):
    job: str
    value: float
    group: str | None
    x: float | None


class Judged(BaseModel):
    name: str
    title: str
    claim: str = Field(description="what the paper says, and where that was found")
    means: str = Field(description="what is measured, and when it counts as holding")
    test: dict[str, Any]
    sweep: dict[str, Any] = Field(description="the body of POST /sweeps that runs it")
    attack: dict[str, Any] | None = Field(description="attack spec for each finished run")
    tag: str
    wanted: int = Field(description="how many runs the sweep makes")
    runs: list[str] = Field(description="those that are finished, no two alike")
    attacked: int = Field(description="how many of them a finished attack was made on")
    counts: dict[str, int] = Field(description="the claim's jobs by state")
    attackable: list[str] = Field(description="finished runs without an attack, made or queued")
    verdict: Literal["holds", "does not hold", "undecided"]
    words: str = Field(description="the numbers that the verdict rests on")
    points: list[Point]


class Told(BaseModel):
    name: str
    short: str
    title: str
    authors: str
    arxiv: str
    idea: str
    equation: str
    spoken: str
    read: str
    claims: list[Judged]


class Papers(BaseModel):
    items: list[Told]


class Cost(BaseModel):
    runs: int
    seconds: float
    attack_seconds: float = Field(description="of an attack on every run; 0 where none is made")


@router.get("/papers", responses={200: {"model": Papers}})
def listing(given: Given, name: Name = None) -> Response:
    """Every paper, or the one of this name, with its claims; verdicts from the runs on this
    machine alone."""
    told = [paper for paper in claims.papers() if name in (None, paper.name)]
    found: dict[str, list[dict[str, Any]]] = {paper.name: [] for paper in told}
    with given.store.read() as connection:
        for claim_name, claim in claims.claims().items():
            if claim.paper in found:
                found[claim.paper].append(_judged(connection, claim_name, claim))
    return json({"items": [{**paper.model_dump(), "claims": found[paper.name]} for paper in told]})


def _judged(connection: Connection, name: str, claim: claims.Claim) -> dict[str, Any]:
    tried = trial.trial(connection, name, claim)
    judged, points = trial.judge(connection, claim, tried.runs)
    return {
        "name": name,
        **claim.model_dump(include={"title", "claim", "means", "test", "attack"}),
        "sweep": claim.sweep(name),
        "tag": claims.tag(name),
        "wanted": claim.size,
        "runs": [run.row["id"] for run in tried.runs],
        "attacked": sum(run.attack is not None for run in tried.runs),
        "counts": tried.counts,
        "attackable": tried.attackable,
        "verdict": judged.verdict,
        "words": judged.words,
        "points": points,
    }


@router.get("/papers/claims/{name}/cost", responses={200: {"model": Cost}})
def cost(given: Given, name: str) -> Response:
    """What a claim's runs and the attacks on them would cost, as estimates have it."""
    claim = claims.claims().get(name)
    if claim is None:
        raise Problem(404, "No claim has this name.")
    _, made = sweep.prepared(given, validated(given.requests.sweep, claim.sweep(name)))
    seconds = sum(job["estimate"]["seconds"] for job in made)
    attacked = _attacked(given, claim.attack, made) if claim.attack else 0.0
    return json({"runs": len(made), "seconds": seconds, "attack_seconds": attacked})


def _attacked(given: Parts, attack: dict[str, Any], made: list[dict[str, Any]]) -> float:
    """Seconds of that attack on each of the networks to be."""
    body = {"kind": "attack", "spec": {"source": "to be", **attack}}
    spec = validated(given.requests.job, body).spec
    assert isinstance(spec, AttackSpec)
    speed = launch.speed(given)
    sources = (TrainSpec.model_validate(job["spec"]) for job in made)
    return sum(of_attack(given.catalog, spec, source, speed).seconds for source in sources)
