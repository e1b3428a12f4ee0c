"""Sweeps over REST: a grid becomes its product of jobs, all or none."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend import sweep
from backend.errors import Problem
from backend.handing import AHEAD
from backend.queue import Queue
from tests.backend.parts import train
from worker.contract.wire import QUEUE

BASE = train(methods=[{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.01}])
GRID = {"spec.methods.1.strength": [0.0, 0.1], "spec.model.hidden": [[8], [16], [8, 8]]}


def asked(**more: Any) -> dict[str, Any]:
    return {"base": BASE, "grid": GRID, "seeds": [0, 1], **more}


def test_a_grid_becomes_its_product(client: TestClient, queue: Queue) -> None:
    answer = client.post("/sweeps", json=asked(name="widths"))
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert answer.headers["location"] == f"/api/v1/sweeps/{found['id']}"
    values = [tuple(map(str, job["values"].values())) for job in found["jobs"]]
    wanted = itertools.product([0.0, 0.1], [[8], [16], [8, 8]], [0, 1])
    assert values == [tuple(map(str, point)) for point in wanted]
    assert found["counts"] == {"queued": 12}
    assert queue.redis.llen(QUEUE) == AHEAD
    listed = client.get(f"/jobs?sweep={found['id']}&sort=created_at").json()["items"]
    assert [job["id"] for job in listed] == [job["id"] for job in found["jobs"]]
    assert [job["name"] for job in listed] == [job["name"] for job in found["jobs"]]
    assert listed[3]["spec"]["methods"][1]["strength"] == 0.0
    assert listed[3]["spec"]["model"]["hidden"] == [16]
    assert listed[3]["spec"]["seed"] == 1
    assert listed[3]["name"] == "widths · strength=0.0, hidden=[16], seed=1"


def test_its_cost_is_told_before_it_is_sent(client: TestClient, queue: Queue) -> None:
    total = client.post("/sweeps/estimate", json=asked()).json()
    assert total["jobs"] == 12
    each = [
        client.post("/estimate", json=sweep.body(BASE, point)).json()
        for point in sweep.points({**GRID, "spec.seed": [0, 1]})
    ]
    assert total["seconds"] == pytest.approx(sum(one["seconds"] for one in each))
    assert total["memory_bytes"] == max(one["memory_bytes"] for one in each)
    assert queue.redis.llen(QUEUE) == 0


def test_a_field_of_the_spec_without_its_place_is_told_its_name(client: TestClient) -> None:
    told = client.post("/sweeps", json=asked(grid={"methods.1.strength": [0.1]})).json()["detail"]
    assert "it is called spec.methods.1.strength" in told


def test_what_the_base_leaves_to_its_default_can_be_swept(client: TestClient) -> None:
    base = {"kind": "train", "spec": {"dataset": {"name": "digits"}, "model": {"name": "mlp"}}}
    grid = {"spec.optimizer.lr": [0.1, 0.2]}
    made = client.post("/sweeps", json={"base": base, "grid": grid})
    assert made.status_code == 201, made.text
    jobs = [client.get(f"/jobs/{job['id']}").json() for job in made.json()["jobs"]]
    assert [job["spec"]["optimizer"]["lr"] for job in jobs] == [0.1, 0.2]
    assert made.json()["base"] == base


def test_what_is_wrong_in_the_base_is_told_before_what_its_defaults_would_have_held(
    client: TestClient,
) -> None:
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlpp"}}
    asked_for = {"base": {"kind": "train", "spec": spec}, "grid": {"spec.optimizer.lr": [0.1]}}
    told = client.post("/sweeps", json=asked_for).json()
    assert told["detail"].startswith("base.spec.model.name: none is called so")
    assert [one["field"] for one in told["errors"]] == ["base.spec.model.name"]
    named = {**asked_for["grid"], "spec.model.name": ["mlp"]}
    told = client.post("/sweeps", json={**asked_for, "grid": named}).json()
    assert told["errors"][0]["field"] == "grid.spec.optimizer.lr", "the base's name is replaced"


def test_the_sentence_names_the_same_place_as_the_errors(client: TestClient) -> None:
    told = client.post("/sweeps", json=asked(grid={"spec.methods.1.strength": [0.1, -1]})).json()
    assert told["detail"].startswith("grid.spec.methods.1.strength: ")
    assert "(at strength=-1" in told["detail"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"grid": {"spec.methods.7.strength": [1]}}, "grid.spec.methods.7.strength"),
        ({"grid": {"spec.nothing.at.all": [1]}}, "grid.spec.nothing.at.all"),
        ({"grid": {"spec.methods.1.strength": []}}, "grid.spec.methods.1.strength"),
        ({"grid": {"spec.methods.1.strength": [0.1, -1]}}, "grid.spec.methods.1.strength"),
        ({"base": {"spec": BASE["spec"]}}, "base.kind"),
        ({"base": {**BASE, "spec": {**BASE["spec"], "epochs": -1}}}, "base.spec.epochs"),
        ({"grid": {"spec.epochs.x": [0.1]}}, "grid.spec.epochs.x"),
        ({"grid": {"spec.batch_size": list(range(1, 600))}}, "grid"),
        ({"grid": {}, "seeds": None}, "grid"),
        ({"seeds": ["a"]}, "seeds.0"),
        ({"seeds": [-1]}, "seeds"),
        ({"grid": {"spec.seed": [-1]}, "seeds": None}, "grid.spec.seed"),
        ({"more": 1}, "more"),
    ],
)
def test_one_bad_combination_and_nothing_is_queued(
    client: TestClient, queue: Queue, more: dict[str, Any], field: str
) -> None:
    refused = client.post("/sweeps", json=asked(**more))
    assert refused.status_code == 422, refused.text
    assert refused.json()["errors"][0]["field"] == field
    assert queue.redis.llen(QUEUE) == 0
    assert client.get("/jobs").json()["items"] == []
    assert client.get("/sweeps").json()["items"] == []


def test_the_same_key_is_the_same_sweep(client: TestClient, queue: Queue) -> None:
    key = {"Idempotency-Key": "once"}
    first = client.post("/sweeps", json=asked(), headers=key)
    again = client.post("/sweeps", json=asked(), headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert queue.redis.llen(QUEUE) == AHEAD
    other = client.post("/sweeps", json=asked(seeds=[5]), headers=key)
    assert other.status_code == 409


def test_cancelling_it_cancels_every_job(client: TestClient) -> None:
    id = client.post("/sweeps", json=asked()).json()["id"]
    assert client.post(f"/sweeps/{id}/cancel").status_code == 202
    found = client.get(f"/sweeps/{id}").json()
    assert found["counts"] == {"cancelled": 12}
    assert found["done"] == 1
    assert client.get("/sweeps/nothing").status_code == 404


def test_the_base_is_left_alone() -> None:
    base = {"spec": {"list": [1, 2], "deep": {"a": 1}}}
    made = sweep.body(base, {"spec.list.0": 9, "spec.deep.a": 8, "spec.new": 7})
    assert made == {"spec": {"list": [9, 2], "deep": {"a": 8}, "new": 7}}
    assert base == {"spec": {"list": [1, 2], "deep": {"a": 1}}}
    with pytest.raises(Problem):
        sweep.body(base, {"spec.list.5": 1})


def test_swept_entries_are_called_by_their_names() -> None:
    methods = [{"name": "cross_entropy"}, {"name": "lp", "strength": 0.003}]
    assert sweep.said(methods) == "cross_entropy + lp 0.003"
    assert sweep.said({"name": "adversarial", "attack": {"name": "pgd"}}) == "adversarial"
    assert sweep.said([64, 64]) == "[64, 64]"
    assert sweep.said([]) == "[]"
