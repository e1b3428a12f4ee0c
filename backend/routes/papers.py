"""What papers claim, the runs that test it here, and what came of them."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend import trial
from backend.parts import Given, json
from worker.contract import claims

router = APIRouter(tags=["papers"])


class Judged(BaseModel):
    name: str
    title: str
    claim: str = Field(description="what the paper says, and where that was found")
    means: str = Field(description="what is measured, and when it counts as holding")
    test: dict[str, Any]
    sweep: dict[str, Any] = Field(description="the body of POST /sweeps that runs it")
    attack: dict[str, Any] | None = Field(description="attack spec for each finished run")
    tag: str
    counts: dict[str, int] = Field(description="the claim's jobs by state")
    attackable: list[str] = Field(description="finished runs that no attack was made on")
    verdict: Literal["holds", "does not hold", "undecided"]
    words: str = Field(description="the numbers that the verdict rests on")
    points: list[dict[str, Any]]


class Told(BaseModel):
    name: str
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


@router.get("/papers", responses={200: {"model": Papers}})
def listing(given: Given) -> Response:
    """Every paper with its claims; verdicts from the runs on this machine alone."""
    found: dict[str, list[dict[str, Any]]] = {}
    with given.store.read() as connection:
        for name, claim in claims.claims().items():
            runs, counts = trial.runs(connection, name)
            judged, points = trial.judge(connection, claim, runs)
            found.setdefault(claim.paper, []).append(
                {
                    "name": name,
                    **claim.model_dump(include={"title", "claim", "means", "test", "attack"}),
                    "sweep": claim.sweep(name),
                    "tag": claims.tag(name),
                    "counts": counts,
                    "attackable": [
                        run.row["id"] for run in runs if claim.attack and run.attack is None
                    ],
                    "verdict": judged.verdict,
                    "words": judged.words,
                    "points": points,
                }
            )
    items = [
        {**paper.model_dump(), "claims": found.get(paper.name, [])} for paper in claims.papers()
    ]
    return json({"items": items})
