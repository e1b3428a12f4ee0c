"""Probes: questions about a trained network that are answered at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend import launch, openapi
from backend.errors import Problem, bad_field
from backend.parts import Given, Parts, job_row, json
from backend.requests import json_body, validated
from worker.contract.measurement import Number, Shaped
from worker.contract.wire import Question

router = APIRouter(tags=["probes"])

ANSWER_S = 20
Body = Annotated[Any, Depends(json_body)]
_BODY = openapi.body("NewProbe")


class Answered(BaseModel):
    values: dict[str, Number | Shaped] = Field(description="measurements by name")
    seconds: float = Field(description="that the computation took")


@router.post("/jobs/{id}/probes", responses={200: {"model": Answered}}, openapi_extra=_BODY)
def ask(given: Given, id: str, body: Body) -> Response:
    """Ask something of the network that a train job left, and wait for the answer.

    A newer question of the same `lane` makes an older one stale: it gets 409.
    """
    asked = validated(given.requests.probe, body)
    job_row(given, id)
    source = launch.find_source(given, id, "id")
    peers = [launch.find_source(given, peer, f"peers.{i}") for i, peer in enumerate(asked.peers)]
    _require_desk(given)
    question = Question(
        id=secrets.token_urlsafe(16),
        lane=asked.lane,
        source=source.model_copy(update={"peers": peers}),
        probe=asked.probe.model_dump(mode="json"),
        until=time.time() + ANSWER_S,
    )
    answer = given.queue.ask(question, ANSWER_S)
    if answer is None:
        raise Problem(503, "No answer in time; the desk may be busy.", headers={"Retry-After": "2"})
    if answer.code == "stale":
        raise Problem(409, "A newer question of the same lane was asked.")
    if answer.code == "internal":
        raise Problem(500, answer.message)
    if answer.code is not None:
        raise _refused(question.probe, answer.message)
    return json(answer.model_dump(include={"values", "seconds"}))


def _refused(probe: Mapping[str, Any], message: str) -> Problem:
    """422 about the parameter that the lab's message begins with; where it does not, the probe."""
    name, _, why = message.partition(": ")
    return bad_field(f"probe.{name}", why) if name in probe else bad_field("probe", message)


def _require_desk(given: Parts) -> None:
    if not given.queue.desks():
        detail = "Nobody answers probes; start a desk with `python -m worker.desk`."
        raise Problem(503, detail, headers={"Retry-After": "5"})
