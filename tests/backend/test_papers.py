"""Claims as documents, and verdicts from the runs that are in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store
from backend.sweep import body, points
from tests.backend.live import put
from worker.contract import claims
from worker.contract.catalog import attack_spec_model, load, train_spec_model
from worker.contract.claims import Exceeds, Greater, NeverAbove, RisesTogether, RisesWith
from worker.contract.events import Teller
from worker.contract.wire import BELL

EVERY = claims.claims()
BOUND = "weissi_bound"


@pytest.mark.parametrize("name", list(EVERY))
def test_a_claims_runs_can_be_asked_for(name: str) -> None:
    """Every combination is a spec that the real catalogue accepts."""
    claim, catalog = EVERY[name], load()
    assert claim.paper in {paper.name for paper in claims.papers()}
    assert claim.seeds
    made = [body(claim.base, point) for point in points(claim.sweep(name)["grid"])]
    assert len(made) * len(claim.seeds) == claim.size
    for one in made:
        train_spec_model(catalog).model_validate(one["spec"])
    if claim.attack:
        attack_spec_model(catalog).model_validate({"source": "x", **claim.attack})


@pytest.mark.parametrize("name", list(EVERY))
def test_a_claims_test_can_be_decided_by_its_runs(name: str) -> None:
    """Enough runs for an interval of 95 %, and groups that are swept."""
    claim, test = EVERY[name], EVERY[name].test
    if isinstance(test, Greater | NeverAbove):
        assert len(test.names) == len(claim.grid[test.path])
    match test:
        case Greater():
            assert len(claim.seeds) >= 5
            assert 0 <= test.of != test.than >= 0
            assert max(test.of, test.than) < len(test.names)
        case Exceeds():
            assert claim.size >= 6
        case RisesWith():
            assert len(claim.grid[test.path]) >= 4
            assert claim.size >= 8
        case RisesTogether():
            assert claim.size >= 8


@pytest.mark.parametrize("paper", claims.papers(), ids=lambda paper: paper.name)
def test_a_papers_equation_is_mathml(paper: claims.Paper) -> None:
    found = ElementTree.fromstring(f"<math>{paper.equation}</math>")
    known = {"mi", "mo", "mn", "mrow", "msub", "msup", "msubsup", "munder", "munderover"}
    assert {part.tag for part in found.iter()} <= known | {"math", "mfrac", "mspace", "mover"}
    assert paper.spoken
    assert any(claim.paper == paper.name for claim in EVERY.values())


def test_documents_hold_no_result() -> None:
    for file in Path(claims.__file__).parent.glob("*.json"):
        text = file.read_text().lower()
        assert '"verdict"' not in text


def run(client: TestClient, queue: Queue, asked: dict[str, Any], *values: dict[str, Any]) -> str:
    """A job that measured each of the values in turn and ended."""
    answer = client.post("/jobs", json={**asked, "tags": [claims.tag(BOUND)]})
    assert answer.status_code == 201, answer.text
    job: str = answer.json()["id"]
    teller = Teller(job, 1, "w")
    queue.redis.xadd(BELL, {"job": job})
    told = (teller.measured(step, step / 10, one) for step, one in enumerate(values))
    put(queue, job, teller.started("cpu", 10, 1.0, "hash"), *told, teller.finished(10))
    return job


def asked(seed: int = 0, **more: Any) -> dict[str, Any]:
    """A run of the first point of the claim's grid, as the tests' small catalogue knows it."""
    spec = {**EVERY[BOUND].base["spec"], "seed": seed, **more}
    return {"kind": "train", "spec": spec}


def gradients(low: float, high: float) -> dict[str, Any]:
    return {"gradient/input_max": low, "gradient/bound_max": high}


def told(client: TestClient, store: Store, queue: Queue) -> dict[str, Any]:
    recorder = Recorder(store, queue)
    for _ in range(3):
        recorder.turn(1)
    items = client.get("/papers").json()["items"]
    found = {claim["name"]: claim for paper in items for claim in paper["claims"]}
    assert list(found) == [name for paper in claims.papers() for name in _of(paper.name)]
    one: dict[str, Any] = found[BOUND]
    return one


def _of(paper: str) -> list[str]:
    return [name for name, claim in EVERY.items() if claim.paper == paper]


def test_a_verdict_follows_the_runs(client: TestClient, queue: Queue, store: Store) -> None:
    assert told(client, store, queue)["verdict"] == "undecided"
    first = run(client, queue, asked(), gradients(1, 2), gradients(1, 4))
    held = told(client, store, queue)
    assert (held["verdict"], held["counts"], held["runs"]) == ("holds", {"succeeded": 1}, [first])
    assert "2 measurements in 1 runs" in held["words"]
    point = {"job": first, "value": 0.5, "group": "1 hidden layer", "x": None}
    assert held["points"] == [point]
    run(client, queue, asked(seed=1), gradients(1, 2), gradients(3, 2))
    broken = told(client, store, queue)
    assert broken["verdict"] == "does not hold"
    assert "1 violations of 4" in broken["words"]


def test_only_the_claims_own_runs_count_and_each_once(
    client: TestClient, queue: Queue, store: Store
) -> None:
    """A tag is not enough: a clone of other depth is another experiment, a repeat the same."""
    run(client, queue, asked(), gradients(1, 2))
    run(client, queue, asked(), gradients(1, 2))
    run(client, queue, asked(model={"name": "mlp", "hidden": [7]}), gradients(9, 2))
    found = told(client, store, queue)
    assert (found["verdict"], len(found["runs"])) == ("holds", 1)
    assert "1 measurements in 1 runs" in found["words"]


def test_one_paper_can_be_asked_for(client: TestClient) -> None:
    found = client.get("/papers?name=weissi").json()["items"]
    assert [paper["name"] for paper in found] == ["weissi"]
    assert [claim["name"] for claim in found[0]["claims"]] == _of("weissi")
    assert client.get("/papers?name=none").json()["items"] == []


def test_a_claim_that_nobody_makes_costs_nothing(client: TestClient) -> None:
    assert client.get("/papers/claims/none/cost").status_code == 404


def test_a_cost_is_the_sweeps_estimate(client: TestClient) -> None:
    cost = client.get(f"/papers/claims/{BOUND}/cost").json()
    same = client.post("/sweeps/estimate", json=EVERY[BOUND].sweep(BOUND)).json()
    assert cost == {"runs": 6, "seconds": same["seconds"], "attack_seconds": 0.0}
    assert cost["seconds"] > 0
