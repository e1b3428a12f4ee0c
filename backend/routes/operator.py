"""What whoever keeps an installation looks at; who may come in, for admins."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.access import OWN_NAME, Role
from backend.auth import require
from backend.documents import moment
from backend.parts import Given, json
from backend.store import tokens
from backend.tally import POINTS, steps
from backend.vitals import Broker, vitals
from worker.contract.wire import TASKS, WorkerCard

router = APIRouter(tags=["operator"])


class AtTheBroker(BaseModel):
    messages: int = Field(description="that no worker has taken")
    workers: list[WorkerCard]
    recorders: int = Field(description="that get through their rounds")
    desks: int = Field(description="processes that answer probes")
    recorder_lag_s: float = Field(description="told but not yet recorded, at most")
    lease_s: float = Field(description="since the stalest lease was renewed")
    points: int = Field(description="recorded since the broker was new")
    step_s: dict[str, float | None] = Field(description="mean seconds a step by kind of job")


class Seen(BaseModel):
    jobs: dict[str, int] = Field(description="by state")
    queued_s: float = Field(description="how long the oldest queued job waits")
    broker: AtTheBroker | None = Field(description="nothing while it is away")
    event_streams: int
    database: str
    database_bytes: int
    artifact_bytes: int
    disk_bytes: int
    disk_free_bytes: int


class Token(BaseModel):
    name: str
    role: str
    made_at: datetime | None = Field(description="nothing for the installation's own")
    revoked_at: datetime | None


class Tokens(BaseModel):
    items: list[Token]


@router.get("/operator", responses={200: {"model": Seen}})
def operator(given: Given, request: Request) -> Response:
    """How the installation is."""
    seen = vitals(given)
    sizes = ("database_bytes", "artifact_bytes", "disk_bytes", "disk_free_bytes")
    return json(
        {
            "jobs": seen.jobs,
            "queued_s": seen.queued_s,
            "broker": seen.broker and _broker(seen.broker),
            "event_streams": request.app.state.hub.clients,
            "database": given.store.engine.dialect.name,
            **{name: getattr(seen, name) for name in sizes},
        }
    )


def _broker(broker: Broker) -> dict[str, object]:
    return {
        "messages": broker.messages,
        "workers": [card.model_dump() for card in broker.workers],
        "recorders": broker.recorders,
        "desks": broker.desks,
        "recorder_lag_s": broker.lag_s,
        "lease_s": broker.lease_s,
        "points": int(broker.sums.get(POINTS, 0)),
        "step_s": {kind: steps(broker.sums, kind).mean for kind in TASKS},
    }


@router.get(
    "/tokens", responses={200: {"model": Tokens}}, dependencies=[Depends(require(Role.ADMIN))]
)
def listing(given: Given) -> Response:
    """Who may come in and who might once: names and roles, no secret; for admins."""
    with given.store.read() as connection:
        rows = tokens.listing(connection)
    own = {"name": OWN_NAME, "role": str(Role.ADMIN), "made_at": None, "revoked_at": None}
    times = ("made_at", "revoked_at")
    items = [
        {"name": row["name"], "role": row["role"], **{name: moment(row[name]) for name in times}}
        for row in rows
    ]
    return json({"items": [own, *items]})
