"""Whatever comes in: 4xx, a problem document, the field by its name, nothing queued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.queue import Queue
from backend.store.engine import open_store
from tests.backend.parts import calling, train
from tests.broker import Broker
from worker.contract.settings import Settings

SECRET = "do-not-echo-me"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[TestClient]:
    """One application for all: nothing that comes in here changes it."""
    folder = tmp_path_factory.mktemp("data")
    settings = Settings(data_dir=folder, redis_url=broker.url)
    store, queue = open_store(settings), Queue(broker.url)
    with calling(settings, store, queue) as client:
        yield client
    queue.close()
    store.close()


BODIES: list[tuple[str, Any, int, str | None]] = [
    ("an unknown method", train(methods=[{"name": SECRET}]), 422, "spec.methods.0.name"),
    ("a method without a name", train(methods=[{}]), 422, "spec.methods.0.name"),
    ("a method that is a text", train(methods=[SECRET]), 422, "spec.methods.0"),
    (
        "a negative width",
        train(model={"name": "mlp", "hidden": [64, -1]}),
        422,
        "spec.model.hidden.1",
    ),
    (
        "a width that is a text",
        train(model={"name": "mlp", "hidden": SECRET}),
        422,
        "spec.model.hidden",
    ),
    (
        "a whole number that no store holds",
        train(log_every=10**30),
        422,
        "spec.log_every",
    ),
    (
        "a strength out of bounds",
        train(methods=[{"name": "cross_entropy"}, {"name": "weissi", "strength": -1}]),
        422,
        "spec.methods.1.strength",
    ),
    (
        "NaN",
        b'{"kind": "train", "spec": {"dataset": {"name": "digits"}, "model": {"name": "mlp"},'
        b' "optimizer": {"name": "sgd", "lr": NaN}}}',
        422,
        "spec.optimizer.lr",
    ),
    (
        "an infinite number",
        b'{"kind": "train", "spec": {"dataset": {"name": "digits"}, "model":'
        b' {"name": "mlp"}, "optimizer": {"name": "sgd", "lr": 1e999}}}',
        422,
        "spec.optimizer.lr",
    ),
    ("NaN for a whole number", json.dumps(train(epochs=float("nan"))).encode(), 422, "spec.epochs"),
    ("a huge whole number", train(seed=10**300), 422, "spec.seed"),
    ("an unknown field", {**train(), SECRET: 1}, 422, None),
    ("an unknown field of the spec", train(wdith=3), 422, "spec.wdith"),
    (
        "an unknown parameter",
        train(model={"name": "mlp", "depth": 3}),
        422,
        "spec.model.depth",
    ),
    ("an unknown kind", {"kind": SECRET, "spec": {}}, 422, "kind"),
    ("no kind", {"spec": {}}, 422, "kind"),
    ("no spec", {"kind": "train"}, 422, "spec"),
    ("no data set", {"kind": "train", "spec": {"model": {"name": "mlp"}}}, 422, "spec.dataset"),
    ("a list", [1, 2], 422, "body"),
    ("null", None, 422, "body"),
    ("a method twice", train(methods=[{"name": "weissi"}] * 2), 422, "spec.methods"),
    ("too many methods", train(methods=[{"name": "weissi"}] * 17), 422, "spec.methods"),
    (
        "two losses to learn by",
        train(methods=[{"name": "cross_entropy"}, {"name": "trades"}]),
        422,
        "spec.methods.1",
    ),
    ("no loss to learn by", train(methods=[{"name": "weissi"}]), 422, "spec.methods"),
    (
        "a method that needs what the model lacks",
        train(methods=[{"name": "cross_entropy"}, {"name": "weight_rescaling"}]),
        422,
        "spec.methods.1",
    ),
    (
        "a model that does not fit",
        train(dataset={"name": "moons"}, model={"name": "cnn"}),
        422,
        "spec.model",
    ),
    (
        "a job over the cost limit",
        train(model={"name": "mlp", "hidden": [100_000] * 3}, epochs=100_000),
        422,
        "spec",
    ),
    (
        "a wrong source",
        {"kind": "attack", "spec": {"source": SECRET, "attacks": [{"name": "fgsm"}]}},
        422,
        "spec.source",
    ),
    (
        "a source with a NUL",
        {"kind": "attack", "spec": {"source": "a\0b", "attacks": [{"name": "fgsm"}]}},
        422,
        "spec.source",
    ),
    (
        "an eps that is NaN",
        b'{"kind":"attack","spec":{"source":"a","attacks":[{"name":"fgsm"}],"eps_grid":[0,NaN]}}',
        422,
        "spec.eps_grid.1",
    ),
    ("a name with a NUL", {**train(), "name": "a\0b"}, 422, "name"),
    ("a name too long", {**train(), "name": "a" * 201}, 422, "name"),
    ("a tag with a line break", {**train(), "tags": ["a", "b\nc"]}, 422, "tags.1"),
    ("invalid UTF-8", b'{"kind": "\xff"}', 400, None),
    ("half a surrogate", b'{"kind": "train", "name": "\\ud800", "spec": {}}', 400, None),
    ("malformed JSON", b'{"kind": ', 400, None),
    ("nothing", b"", 400, None),
    ("a name given twice", b'{"kind": "train", "kind": "attack", "spec": {}}', 422, "kind"),
    ("one given twice within", b'{"kind": "train", "spec": {"seed": 1, "seed": 2}}', 422, "seed"),
    ("a number of many digits", b'{"kind": ' + b"9" * 5000 + b"}", 400, None),
    ("deep nesting", b"[" * 200_000, 400, None),
    ("deep nesting of objects", b'{"a":' * 100_000, 400, None),
    ("a 2 MB body", b'"' + b"a" * 2_000_000 + b'"', 413, None),
]


@pytest.mark.parametrize("path", ["/jobs", "/estimate"])
@pytest.mark.parametrize(
    ("body", "status", "field"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES]
)
def test_bad_bodies(
    client: TestClient, queue: Queue, path: str, body: Any, status: int, field: str | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    problem = answer.json()
    assert answer.status_code == problem["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) >= {"type", "title", "status", "detail", "errors"}
    if field is not None:
        assert [error["field"] for error in problem["errors"]] == [field]
        assert SECRET not in answer.text
    assert queue.waiting() == 0
    assert client.get("/jobs").json()["items"] == []


def test_a_costly_job_is_told_its_estimate(client: TestClient) -> None:
    body = train(model={"name": "mlp", "hidden": [100_000] * 3}, epochs=100_000)
    problem = client.post("/jobs", json=body).json()
    assert problem["estimate"]["parameters"] == 64 * 10**5 + 2 * 10**10 + 10**6 + 3 * 10**5 + 10


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_does_not_say_that_it_is_json(client: TestClient, kind: str) -> None:
    content = json.dumps(train()).encode()
    answer = client.post("/jobs", content=content, headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    said = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post("/estimate", content=content, headers=said).status_code == 200


def test_a_long_body_without_a_length(client: TestClient) -> None:
    chunks = (b"a" * 65_536 for _ in range(40))
    assert client.post("/jobs", content=chunks).status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/jobs?sort=password", 422, "sort"),
        ("GET", "/jobs?state=asleep", 422, "state"),
        ("GET", "/jobs?kind=dance", 422, "kind"),
        ("GET", "/jobs?limit=0", 422, "limit"),
        ("GET", "/jobs?limit=many", 422, "limit"),
        ("GET", "/jobs?cursor=abc", 422, "cursor"),
        ("GET", "/jobs?cursor=WzFd", 422, "cursor"),
        ("GET", "/jobs?cursor=WyItY3JlYXRlZF9hdCIsIm4iLCJhIl0", 422, "cursor"),
        ("GET", "/jobs?q=%00", 422, "q"),
        ("GET", "/jobs?tag=%00", 422, "tag"),
        ("GET", "/jobs?states=failed", 422, "states"),
        ("GET", "/workers?limit=1", 422, "limit"),
        ("GET", "/events?job=a", 422, "job"),
        ("GET", "/jobs/nobody/measurements?names=a", 422, "names"),
        ("GET", "/jobs/nobody", 404, None),
        ("GET", "/jobs/%00", 404, None),
        ("GET", "/jobs/..%2Fx", 404, None),
        ("GET", "/jobs/nobody/measurements", 404, None),
        ("GET", "/jobs/nobody/artifacts", 404, None),
        ("POST", "/jobs/nobody/cancel", 404, None),
        ("POST", "/jobs/nobody/clone", 404, None),
        ("DELETE", "/jobs/nobody", 404, None),
        ("GET", "/artifacts/nobody", 404, None),
        ("GET", "/nope", 404, None),
        ("GET", "/jobs/", 404, None),
        ("PUT", "/jobs", 405, None),
        ("POST", "/catalog", 405, None),
        ("TRACE", "/jobs", 405, None),
    ],
)
def test_bad_addresses(
    client: TestClient, method: str, path: str, status: int, field: str | None
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == answer.json()["status"] == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    if field is not None:
        assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("points=1", "points"),
        ("after=x", "after"),
        ("from=-1", "from"),
        ("to=x", "to"),
        ("format=xml", "format"),
        ("name=%00", "name.0"),
    ],
)
def test_bad_questions_of_measurements(client: TestClient, query: str, field: str) -> None:
    job = client.post("/jobs", json=train()).json()["id"]
    answer = client.get(f"/jobs/{job}/measurements?{query}")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
