"""What the lab offers, and who is there to run it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from backend.parts import Given, json
from worker.contract.catalog import Catalog

router = APIRouter(tags=["catalogue"])


@router.get("/catalog", responses={200: {"model": Catalog}})
def catalog(given: Given) -> Response:
    """Every method, attack, diagnostic, dataset, model, optimizer and preset."""
    return json(given.catalog.model_dump(mode="json", by_alias=True))


@router.get("/workers")
def workers(given: Given) -> Response:
    """Who is alive, on what device, doing what."""
    return json({"items": [card.model_dump() for card in given.queue.workers()]})
