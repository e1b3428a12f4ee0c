"""Claims as documents, and verdicts from the runs that are in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store
from tests.backend.live import put
from tests.backend.parts import train
from worker.contract import claims
from worker.contract.catalog import attack_spec_model, load, train_spec_model
from worker.contract.events import Teller
from worker.contract.wire import BELL

EVERY = claims.claims()


@pytest.mark.parametrize("name", list(EVERY))
def test_a_claims_runs_can_be_asked_for(name: str) -> None:
    """Every combination is a spec that the real catalogue accepts."""
    from backend.sweep import body, points

    claim, catalog = EVERY[name], load()
    assert claim.paper in {paper.name for paper in claims.papers()}
    assert claim.seeds
    for point in points({**claim.grid, "spec.seed": claim.seeds}):
        train_spec_model(catalog).model_validate(body(claim.base, point)["spec"])
    if claim.attack:
        attack_spec_model(catalog).model_validate({"source": "x", **claim.attack})


def test_documents_hold_no_result() -> None:
    for file in Path(claims.__file__).parent.glob("*.json"):
        text = file.read_text().lower()
        assert '"verdict"' not in text
        assert "does not hold" not in text


def run(client: TestClient, queue: Queue, name: str, low: float, high: float) -> None:
    asked = {**train(), "tags": [claims.tag(name)]}
    job = client.post("/jobs", json=asked).json()["id"]
    teller = Teller(job, 1, "w")
    queue.redis.xadd(BELL, {"job": job})
    values: dict[str, Any] = {"gradient/input_max": low, "gradient/bound_max": high}
    put(
        queue,
        job,
        teller.started("cpu", 10, 1.0, "hash"),
        *(teller.measured(step, step / 10, values) for step in range(5)),
        teller.finished(10),
    )


def told(client: TestClient) -> dict[str, Any]:
    items = client.get("/papers").json()["items"]
    return {claim["name"]: claim for paper in items for claim in paper["claims"]}


def test_a_verdict_follows_the_runs(client: TestClient, queue: Queue, store: Store) -> None:
    name = "weissi_bound"
    recorder = Recorder(store, queue)
    assert told(client)[name]["verdict"] == "undecided"
    run(client, queue, name, 1.0, 2.0)
    for _ in range(3):
        recorder.turn(1)
    held = told(client)[name]
    assert (held["verdict"], held["counts"]) == ("holds", {"succeeded": 1})
    assert "5 measurements in 1 runs" in held["words"]
    run(client, queue, name, 3.0, 2.0)
    for _ in range(3):
        recorder.turn(1)
    broken = told(client)[name]
    assert broken["verdict"] == "does not hold"
    assert "5 violations" in broken["words"]
