"""Who one is here, and for admins what everybody did."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.access import Role
from backend.auth import require
from backend.documents import moment
from backend.parts import Given, json
from backend.store import audit

router = APIRouter(tags=["access"])

ADMINS = [Depends(require(Role.ADMIN))]
_PLAIN = ("who", "role", "what", "job", "outcome")
Name = Annotated[str | None, Query(max_length=32, pattern=r"^[A-Za-z0-9_-]*$")]
Before = Annotated[str | None, Query(max_length=15, pattern=r"^[0-9]+$")]


class Me(BaseModel):
    name: str
    role: str = Field(description="read, submit or admin")


class Deed(BaseModel):
    at: datetime
    who: str = Field(description="the token's name")
    role: str = Field(description="that it had")
    what: str = Field(description="method and address, or the command")
    job: str | None = Field(description="or the sweep")
    outcome: int = Field(description="the answer's status; 0 for a command")


class Deeds(BaseModel):
    items: list[Deed]
    next: str | None


@router.get("/me", responses={200: {"model": Me}})
def me(given: Given) -> Response:
    """Whose token this is, and what it may do."""
    return json({"name": given.visitor.name, "role": str(given.visitor.role)})


@router.get(
    "/audit", responses={200: {"model": Deeds}}, dependencies=[Depends(require(Role.ADMIN))]
)
def listing(
    given: Given,
    who: Name = None,
    job: Name = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Before = None,
) -> Response:
    """Every change that was made or refused, newest first; for admins."""
    before = int(cursor) if cursor else None
    with given.store.read() as connection:
        rows = audit.listing(connection, who or None, job or None, before, limit + 1)
    items = [
        {"at": moment(row.pop("at")), **{name: row[name] for name in _PLAIN}}
        for row in rows[:limit]
    ]
    return json({"items": items, "next": str(rows[limit - 1]["id"]) if len(rows) > limit else None})
