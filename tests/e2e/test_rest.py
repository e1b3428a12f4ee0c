"""Everything a browser can do, done by a script through the dashboard's own address."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import httpx
import pytest

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

TRAIN: dict[str, Any] = {
    "kind": "train",
    "name": "weissi on digits",
    "spec": {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [64]},
        "methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.001}],
        "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "epochs": 8,
        "batch_size": 64,
        "seed": 0,
    },
}


def submit(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def events(client: httpx.Client, job: str, after: str = "") -> list[tuple[str, str, Any]]:
    """(id, kind, data) of a job's stream until its end."""
    found = []
    params = {"jobs": job, **({"after": after} if after else {})}
    with client.stream("GET", "/events", params=params, timeout=60) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if line and not line.startswith(":"):
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif fields.get("data"):
                data = json.loads(fields["data"])
                found.append((fields.get("id", ""), fields.get("event", ""), data))
                fields = {}
                if found[-1][1] == "state" and data["state"] in {"succeeded", "failed"}:
                    return found
    raise AssertionError("the stream ended early")


def test_a_job_streams_every_point_once_and_can_be_attacked(explorer: Explorer) -> None:
    with explorer.client() as client:
        job = submit(client, TRAIN)
        told = events(client, job)
        points = [item for _, kind, data in told if kind == "measured" for item in data["items"]]
        stored = client.get(f"/jobs/{job}/measurements", params={"points": 10_000}).json()
        live = {(item["attempt"], item["seq"]) for item in points}
        assert len(live) == len(points), "a point came twice"
        kept = {(i["attempt"], i["seq"]) for i in stored["items"] if i["shape"] == "scalar"}
        assert kept <= live
        losses = [i["value"] for i in points if i["name"] == "train/loss"]
        assert losses[-1] < losses[0]
        end = told[-1][2]
        assert end["state"] == "succeeded"
        assert end["summary"]["test/accuracy"] > 0.85
        assert end["progress"]["step"] == end["progress"]["steps"]

        middle = next(id for id, kind, _ in told[len(told) // 2 :] if kind == "measured")
        again = events(client, job, after=middle)
        rest = {
            (i["attempt"], i["seq"]) for _, k, d in again if k == "measured" for i in d["items"]
        }
        cut = told.index(next(t for t in told if t[0] == middle))
        before = {
            (i["attempt"], i["seq"])
            for _, k, d in told[: cut + 1]
            if k == "measured"
            for i in d["items"]
        }
        assert not rest & before
        assert rest | before >= live

        attack = {
            "kind": "attack",
            "spec": {
                "source": job,
                "attacks": [{"name": "fgsm"}, {"name": "pgd", "steps": 10}],
                "eps_grid": [0, 0.05, 0.1, 0.2],
                "limit": 200,
            },
        }
        attacked = explorer.wait_job(submit(client, attack))
        assert attacked["state"] == "succeeded", attacked["error"]
        found = client.get(f"/jobs/{attacked['id']}/measurements").json()["items"]
        curve = next(i["value"] for i in found if i["name"] == "attack/pgd/accuracy")
        assert curve["x"] == [0, 0.05, 0.1, 0.2]
        assert curve["y"] == sorted(curve["y"], reverse=True)
        assert curve["y"][0] > 0.85 > curve["y"][-1]
        assert {"attack/pgd/card", "attack/pgd/gallery"} <= {i["name"] for i in found}


def test_measurements_as_csv_and_the_checkpoint_as_a_file(explorer: Explorer) -> None:
    with explorer.client() as client:
        job = explorer.wait_job(submit(client, TRAIN))["id"]
        text = client.get(f"/jobs/{job}/measurements", params={"format": "csv"}).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert {"name", "seq", "attempt", "step", "epoch", "time", "value"} <= set(rows[0])
        assert any(row["name"] == "gradient/bound" for row in rows)
        [saved] = [
            a
            for a in client.get(f"/jobs/{job}/artifacts").json()["items"]
            if a["name"] == "final.safetensors"
        ]
        body = client.get(f"/artifacts/{saved['id']}").content
        assert len(body) == saved["bytes"]
        assert int.from_bytes(body[:8], "little") < len(body), "not a safetensors file"


def test_the_bound_holds_at_every_measured_step(explorer: Explorer) -> None:
    with explorer.client() as client:
        job = explorer.wait_job(submit(client, TRAIN))["id"]
        items = client.get(f"/jobs/{job}/measurements", params={"name": "gradient/*"}).json()
    by_step: dict[int, dict[str, float]] = {}
    for item in items["items"]:
        by_step.setdefault(item["step"], {})[item["name"]] = item["value"]
    full = [row for row in by_step.values() if {"gradient/input", "gradient/bound"} <= row.keys()]
    assert len(full) > 20
    assert all(row["gradient/input"] <= row["gradient/bound"] for row in full)


def test_a_diverging_loss_shows_and_fails_with_step_and_term(explorer: Explorer) -> None:
    # lr times strength is 100: weight decay alone multiplies every weight by -99 a step
    spec = {
        **TRAIN["spec"],
        "methods": [{"name": "cross_entropy"}, {"name": "lp", "strength": 1.0}],
        "optimizer": {"name": "sgd", "lr": 100.0, "momentum": 0.0},
        "log_every": 1,
    }
    with explorer.client() as client:
        job = explorer.wait_job(submit(client, {"kind": "train", "spec": spec}))
        assert job["state"] == "failed"
        assert job["error"]["code"] == "diverged"
        assert "step" in job["error"]["message"]
        items = client.get(f"/jobs/{job['id']}/measurements").json()["items"]
    values = [item["value"] for item in items if item["name"].startswith("train/loss")]
    assert any(isinstance(v, str) or not math.isfinite(v) for v in values)


def test_cancel_ends_a_running_job_and_a_waiting_one(explorer: Explorer) -> None:
    long = {**TRAIN, "spec": {**TRAIN["spec"], "epochs": 5000}}
    with explorer.client() as client:
        running, waiting = submit(client, long), submit(client, long)
        until(lambda: client.get(f"/jobs/{running}").json()["state"] == "running", 90, "never ran")
        for job in (waiting, running):
            assert client.post(f"/jobs/{job}/cancel").status_code == 202
        for job in (waiting, running):
            assert explorer.wait_job(job, 10)["state"] == "cancelled"
            assert client.post(f"/jobs/{job}/cancel").status_code == 202, "not idempotent"
        assert client.delete(f"/jobs/{waiting}").status_code == 204
        assert client.get(f"/jobs/{waiting}").status_code == 404


BAD: list[tuple[str, Any, int, str]] = [
    ("unknown method", {"methods": [{"name": "magic"}]}, 422, "spec.methods.0"),
    ("negative width", {"model": {"name": "mlp", "hidden": [-3]}}, 422, "spec.model.hidden.0"),
    ("unknown field", {"colour": "red"}, 422, "spec.colour"),
    ("too long", {"epochs": 100_000, "dataset": {"name": "cifar10"}}, 422, "spec"),
    (
        "wrong kind of data",
        {"model": {"name": "cnn"}, "dataset": {"name": "moons"}},
        422,
        "spec.model",
    ),
]


@pytest.mark.parametrize(("what", "change", "status", "field"), BAD, ids=[b[0] for b in BAD])
def test_bad_specs_name_their_field(
    explorer: Explorer, what: str, change: dict[str, Any], status: int, field: str
) -> None:
    with explorer.client() as client:
        before = len(client.get("/jobs", params={"limit": 200}).json()["items"])
        answer = client.post("/jobs", json={**TRAIN, "spec": {**TRAIN["spec"], **change}})
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert any(e["field"].startswith(field) for e in answer.json()["errors"]), answer.text
        assert len(client.get("/jobs", params={"limit": 200}).json()["items"]) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"kind":"train","spec":{"epochs":NaN}}', 422),
        (b"\xff\xfe", 400),
        (b"{" * 5000, 400),
        (b'{"a":"' + b"x" * 2_000_000 + b'"}', 413),
    ],
    ids=["NaN", "not UTF-8", "nested", "2 MB"],
)
def test_bad_bodies_are_refused(explorer: Explorer, body: bytes, status: int) -> None:
    with explorer.client() as client:
        answer = client.post("/jobs", content=body, headers={"Content-Type": "application/json"})
        assert (
            answer.status_code in {status, 422} if status == 400 else answer.status_code == status
        )
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_nobody_gets_in_without_the_token(explorer: Explorer) -> None:
    for path in ("/", "/jobs", "/launch", "/api/v1/jobs", "/api/v1/docs", "/_dash-layout"):
        assert httpx.get(explorer.url + path).status_code == 401, path
    assert httpx.get(f"{explorer.url}/api/v1/nope").status_code == 401
    with explorer.client() as client:
        assert client.get("/nope").status_code == 404
        assert client.get("/nope").headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("path", ["/jobs/%00", "/jobs/%0a", "/artifacts/..%2f..%2fetc%2fpasswd"])
def test_an_address_that_cannot_be_is_a_404(explorer: Explorer, path: str) -> None:
    with explorer.client() as client:
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/problem+json")


def test_a_header_that_is_no_ascii_is_no_failure(explorer: Explorer) -> None:
    odd = "é".encode("latin-1")
    refused = httpx.get(f"{explorer.url}/api/v1/jobs", headers={"Authorization": b"Bearer " + odd})
    assert refused.status_code == 401
    assert httpx.get(explorer.url, headers={"Authorization": b"Bearer " + odd}).status_code == 401
    with explorer.client() as client:
        assert client.get("/jobs", headers={"X-Odd": odd}).status_code == 200
