"""Jobs over REST, on a real store and a real broker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.app import create_app
from backend.handing import AHEAD
from backend.queue import Queue
from backend.recorder import Recorder
from backend.store.engine import Store
from tests.backend.live import put
from tests.backend.parts import AUTH, TOKEN, catalogue, train
from worker.contract.events import Teller
from worker.contract.settings import Settings
from worker.contract.wire import (
    BELL,
    QUEUE,
    STATES,
    Ticket,
    artifact_path,
    cancel_key,
    stream_key,
    ticket_key,
)


def create(client: TestClient, **more: Any) -> dict[str, Any]:
    answer = client.post("/jobs", json={**train(), **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def finish(recorder: Recorder, queue: Queue, job: str, settings: Settings) -> None:
    """The job ran, left its checkpoint and ended."""
    teller = Teller(job, 1, "w")
    content = b"weights"
    path = artifact_path(settings.data_dir, job, 1, "final.safetensors")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    queue.redis.xadd(BELL, {"job": job})
    events = [
        teller.started("cpu", 10, 1.0, "hash"),
        *(teller.measured(step, step / 10, {"train/loss": 1.0 - step / 10}) for step in range(10)),
        teller.saved("checkpoint", "final.safetensors", len(content), "ab" * 32, 10),
        teller.finished(10, message="done"),
    ]
    put(queue, job, *events)
    for _ in range(3):
        recorder.turn(1)


@pytest.fixture
def recorder(store: Store, queue: Queue) -> Recorder:
    return Recorder(store, queue)


def test_a_listing_tells_no_more_of_the_summaries_than_was_asked_for(
    client: TestClient, settings: Settings, recorder: Recorder, queue: Queue
) -> None:
    job = create(client)["id"]
    finish(recorder, queue, job, settings)

    def told(query: str) -> Any:
        (found,) = client.get(f"/jobs?id={job}{query}").json()["items"]
        return found["summary"]

    assert told("&summary=train/loss,test/loss") == {"train/loss": pytest.approx(0.1)}
    assert told("&summary=") == {}
    assert told("") == client.get(f"/jobs/{job}").json()["summary"]


def test_a_job_is_stored_ticketed_sent_and_told(client: TestClient, queue: Queue) -> None:
    answer = client.post("/jobs", json={**train(), "name": " mine ", "tags": ["b", "a", "b"]})
    job = answer.json()
    assert answer.headers["location"] == f"/api/v1/jobs/{job['id']}"
    assert (job["name"], job["tags"], job["state"]) == ("mine", ["b", "a"], "queued")
    assert job["spec"]["optimizer"] == {"name": "sgd", "lr": 0.1, "momentum": 0.9}
    assert client.get(f"/jobs/{job['id']}").json() == job
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key(job["id"])) or "")
    assert (ticket.kind, ticket.attempt, ticket.spec) == ("train", 1, job["spec"])
    envelope = json.loads(queue.redis.lrange(QUEUE, 0, -1)[0])
    assert envelope["headers"]["task"] == "normscope.train"
    assert envelope["headers"]["argsrepr"] == f"['{job['id']}']"
    assert json.loads(queue.redis.xrange(STATES)[-1][1]["job"])["id"] == job["id"]


def test_an_estimate_queues_nothing(client: TestClient, queue: Queue) -> None:
    found = client.post("/estimate", json=train()).json()
    assert found["parameters"] == 26_122
    assert client.get("/jobs").json() == {"items": [], "next": None}
    assert queue.waiting() == 0


def test_a_repeated_key_returns_the_first(client: TestClient, queue: Queue) -> None:
    headers = {"Idempotency-Key": "once"}
    first = client.post("/jobs", json=train(), headers=headers)
    second = client.post("/jobs", json=train(), headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert queue.waiting() == 1
    other = client.post("/jobs", json=train(epochs=3), headers=headers)
    assert other.status_code == 409
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"


def test_too_many_jobs_wait(store: Store, queue: Queue, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=queue.url, queue_limit=2)
    app = create_app(settings, store, queue, catalogue(), TOKEN)
    with TestClient(app, base_url="http://127.0.0.1/api/v1", headers=AUTH) as client:
        create(client), create(client)
        refused = client.post("/jobs", json=train())
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert len(client.get("/jobs?state=queued").json()["items"]) == 2
        assert queue.waiting() == AHEAD


def test_pages_filters_and_order(client: TestClient) -> None:
    ids = [create(client, name=f"job {n}", tags=[f"t{n % 2}"])["id"] for n in range(5)]
    client.post(f"/jobs/{ids[0]}/cancel")
    first = client.get("/jobs?limit=2&sort=-created_at").json()
    second = client.get("/jobs", params={"limit": 2, "cursor": first["next"]}).json()
    third = client.get("/jobs", params={"limit": 2, "cursor": second["next"]}).json()
    pages = [*first["items"], *second["items"], *third["items"]]
    assert [job["id"] for job in pages] == ids[::-1]
    assert third["next"] is None

    def found(query: str) -> list[str]:
        return [job["id"] for job in client.get(f"/jobs?sort=name&{query}").json()["items"]]

    assert found("tag=t1") == [ids[1], ids[3]]
    assert found("state=cancelled") == [ids[0]]
    assert found("state=queued,running&q=JOB+3") == [ids[3]]
    assert found("kind=attack") == []
    assert found("q=digits") == ids


def test_name_and_tags_change(client: TestClient) -> None:
    job = create(client, tags=["old"])
    changed = client.patch(f"/jobs/{job['id']}", json={"tags": ["new"]}).json()
    assert (changed["name"], changed["tags"]) == (job["name"], ["new"])
    assert client.get("/jobs?tag=old").json()["items"] == []
    assert client.patch(f"/jobs/{job['id']}", json={"state": "failed"}).status_code == 422


def test_cancel_is_idempotent_and_clone_starts_again(client: TestClient, queue: Queue) -> None:
    job = create(client, name="one")
    for _ in range(2):
        answer = client.post(f"/jobs/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    assert queue.redis.exists(cancel_key(job["id"]))
    assert not queue.redis.exists(ticket_key(job["id"]))
    copy = client.post(f"/jobs/{job['id']}/clone", json={"tags": ["again"]})
    assert copy.status_code == 201
    assert copy.json()["spec"] == job["spec"]
    assert (copy.json()["name"], copy.json()["tags"]) == ("one", ["again"])
    assert copy.json()["id"] != job["id"]
    assert client.post(f"/jobs/{job['id']}/clone").status_code == 201


def test_only_ended_jobs_are_deleted(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    assert client.delete(f"/jobs/{job}").status_code == 409
    finish(recorder, queue, job, settings)
    assert client.get(f"/jobs/{job}").json()["state"] == "succeeded"
    assert client.delete(f"/jobs/{job}").status_code == 204
    assert client.get(f"/jobs/{job}").status_code == 404
    assert client.delete(f"/jobs/{job}").status_code == 404
    assert not (settings.data_dir / "artifacts" / job).exists()


def test_artifacts_by_opaque_ids(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    finish(recorder, queue, job, settings)
    (artifact,) = client.get(f"/jobs/{job}/artifacts").json()["items"]
    assert (artifact["kind"], artifact["bytes"], artifact["step"]) == ("checkpoint", 7, 10)
    answer = client.get(f"/artifacts/{artifact['id']}")
    assert answer.content == b"weights"
    assert answer.headers["content-disposition"] == 'attachment; filename="final.safetensors"'
    for wrong in ("final.safetensors", "..%2F..%2Ftoken", "%00", "x" * 400):
        assert client.get(f"/artifacts/{wrong}").status_code == 404


def test_an_artifact_that_leads_elsewhere_is_not_served(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    (settings.data_dir / "secret").write_text("secret")
    teller = Teller(job)
    queue.redis.xadd(BELL, {"job": job})
    put(
        queue,
        job,
        teller.started("cpu", 1, 1.0, ""),
        teller.saved("table", "../../../secret", 6, "0" * 64, 1),
    )
    for _ in range(3):
        recorder.turn(1)
    (artifact,) = client.get(f"/jobs/{job}/artifacts").json()["items"]
    assert client.get(f"/artifacts/{artifact['id']}").status_code == 404


def test_measurements_as_json_and_csv(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    finish(recorder, queue, job, settings)
    found = client.get(f"/jobs/{job}/measurements?name=train/*").json()
    assert [item["step"] for item in found["items"]] == list(range(10))
    assert (found["next"], found["downsampled"]) == ("1.13", False)
    assert client.get(f"/jobs/{job}").json()["cursor"] == found["next"]
    few = client.get(f"/jobs/{job}/measurements?points=4").json()
    assert [item["step"] for item in few["items"]] == [0, 9]
    assert few["downsampled"]
    part = client.get(f"/jobs/{job}/measurements?from=3&to=5").json()["items"]
    assert [item["step"] for item in part] == [3, 4, 5]
    new = client.get(f"/jobs/{job}/measurements?after=1.9").json()["items"]
    assert [item["seq"] for item in new] == [10, 11]
    assert client.get(f"/jobs/{job}/measurements?name=test/*").json()["items"] == []
    lines = client.get(f"/jobs/{job}/measurements?format=csv").text.splitlines()
    assert lines[0] == "name,attempt,seq,step,epoch,time,value"
    assert lines[1].startswith("train/loss,1,2,0,0.0,")
    assert len(lines) == 11


def test_of_many_names_the_first_patterns_come_first(
    client: TestClient, queue: Queue, recorder: Recorder
) -> None:
    job = create(client)["id"]
    teller = Teller(job, 1, "w")
    values = {f"group/{number}": 1.0 for number in range(5)} | {"train/loss": 2.0}
    queue.redis.xadd(BELL, {"job": job})
    put(queue, job, teller.started("cpu", 10, 1.0, ""), teller.measured(1, 0.1, values))
    for _ in range(3):
        recorder.turn(1)
    where = f"/jobs/{job}/measurements?name=train/*,*&names="
    found = client.get(where + "3").json()
    assert [item["name"] for item in found["items"]] == ["group/0", "group/1", "train/loss"]
    assert found["names_left_out"] == 3
    assert client.get(where + "6").json()["names_left_out"] == 0
    assert client.get(where + "0").status_code == 422


def test_a_cancelled_job_is_resumed_as_its_next_attempt(
    client: TestClient, queue: Queue, recorder: Recorder, settings: Settings
) -> None:
    job = create(client)["id"]
    client.post(f"/jobs/{job}/cancel")
    assert queue.redis.exists(cancel_key(job))
    resumed = client.post(f"/jobs/{job}/resume")
    assert resumed.status_code == 202, resumed.text
    assert (resumed.json()["state"], resumed.json()["attempt"]) == ("queued", 2)
    assert not queue.redis.exists(cancel_key(job))
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key(job)) or "")
    assert ticket.attempt == 2
    assert queue.redis.ttl(stream_key(job)) in (-1, -2)
    again = client.post(f"/jobs/{job}/resume")
    assert (again.status_code, again.json()["attempt"]) == (202, 2)


def test_a_job_that_succeeded_cannot_be_resumed(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    finish(recorder, queue, job, settings)
    assert client.post(f"/jobs/{job}/resume").status_code == 409
    assert client.post("/jobs/nothing/resume").status_code == 404
    assert client.get(f"/jobs/{job}").json()["state"] == "succeeded"


def test_an_attack_starts_from_a_finished_training(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    source = create(client)["id"]
    attack = {"kind": "attack", "spec": {"source": source, "attacks": [{"name": "pgd"}]}}
    early = client.post("/jobs", json=attack)
    assert early.status_code == 409
    assert early.json()["errors"][0]["field"] == "spec.source"
    finish(recorder, queue, source, settings)
    job = client.post("/jobs", json=attack)
    assert job.status_code == 201, job.text
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key(job.json()["id"])) or "")
    assert ticket.source is not None
    assert (ticket.source.job, ticket.source.checkpoint) == (source, "final.safetensors")
    assert ticket.source.spec["dataset"] == {"name": "digits"}
    needed = client.delete(f"/jobs/{source}")
    assert needed.status_code == 409
    assert job.json()["id"] in needed.json()["detail"]
    assert job.json()["source"]["dataset"] == {"name": "digits"}
    client.post(f"/jobs/{job.json()['id']}/cancel")
    onto_itself = {**attack, "spec": {**attack["spec"], "source": job.json()["id"]}}
    assert client.post("/jobs", json=onto_itself).status_code == 422
    assert client.delete(f"/jobs/{source}").status_code == 204


def test_a_transferred_attack_names_the_network_it_is_made_on(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    first, second = create(client)["id"], create(client)["id"]
    for job in (first, second):
        finish(recorder, queue, job, settings)
    attacks = [{"name": "pgd"}, {"name": "transfer"}]
    spec = {"source": first, "attacks": attacks, "transfer_from": second}
    job = client.post("/jobs", json={"kind": "attack", "spec": spec})
    assert job.status_code == 201, job.text
    assert job.json()["spec"]["transfer_from"] == second
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key(job.json()["id"])) or "")
    assert ticket.source is not None
    assert [ticket.source.job, *(peer.job for peer in ticket.source.peers)] == [first, second]


def test_attacks_that_cannot_be_are_refused_by_field(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    source = create(client)["id"]
    points = client.post("/jobs", json=train(dataset={"name": "moons"})).json()["id"]
    for job in (source, points):
        finish(recorder, queue, job, settings)
    pgd, transfer, corrupt = ({"name": name} for name in ("pgd", "transfer", "corruptions"))
    refused = {
        "transfer_from": [
            {"attacks": [transfer]},
            {"attacks": [pgd], "transfer_from": source},
            {"attacks": [transfer], "transfer_from": "nothing"},
            {"attacks": [transfer], "transfer_from": points},
        ],
        "attacks.1": [{"attacks": [pgd, corrupt]}],
        "split": [{"attacks": [pgd], "split": "validation"}],
        "eps_grid.2": [{"attacks": [corrupt], "eps_grid": [0, 5, 6]}],
    }
    for field, specs in refused.items():
        for spec in specs:
            body = {"kind": "attack", "spec": {"source": source, **spec}}
            for path in ("/jobs", "/estimate"):
                answer = client.post(path, json=body)
                assert answer.status_code == 422, (spec, answer.text)
                assert answer.json()["errors"][0]["field"] == f"spec.{field}"


def test_a_diagnosis_starts_from_a_training_and_its_peers(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    first, second = create(client)["id"], create(client)["id"]
    for job in (first, second):
        finish(recorder, queue, job, settings)
    spec = {"source": first, "peers": [second], "diagnostics": [{"name": "accuracy"}]}
    job = client.post("/jobs", json={"kind": "diagnose", "spec": spec})
    assert job.status_code == 201, job.text
    assert job.json()["name"] == f"accuracy on {first}"
    assert job.json()["estimate"]["seconds"] > 0
    ticket = Ticket.model_validate_json(queue.redis.get(ticket_key(job.json()["id"])) or "")
    assert ticket.source is not None
    assert [ticket.source.job, *(peer.job for peer in ticket.source.peers)] == [first, second]


def test_a_diagnosis_is_refused_what_the_network_lacks(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    source = create(client)["id"]
    finish(recorder, queue, source, settings)
    names = ("accuracy", "effective_learning_rate")
    spec = {"source": source, "diagnostics": [{"name": name} for name in names]}
    for path in ("/jobs", "/estimate"):
        refused = client.post(path, json={"kind": "diagnose", "spec": spec})
        assert refused.status_code == 422
        (error,) = refused.json()["errors"]
        assert error["field"] == "spec.diagnostics.1"
        assert "batch normalisation" in error["message"]


def test_a_peer_must_be_a_network_of_the_same_data(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    source = create(client)["id"]
    other = client.post("/jobs", json=train(dataset={"name": "moons"})).json()["id"]
    for job in (source, other):
        finish(recorder, queue, job, settings)
    for peer in (other, "nothing"):
        spec = {"source": source, "peers": [peer], "diagnostics": [{"name": "accuracy"}]}
        refused = client.post("/jobs", json={"kind": "diagnose", "spec": spec})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] == "spec.peers.0"


def test_catalogue_workers_health_docs(client: TestClient) -> None:
    assert client.get("/catalog").json()["hash"] == catalogue().hash
    assert "schema" in client.get("/catalog").json()["entries"][0]
    assert client.get("/workers").json() == {"items": []}
    assert client.get("/session").status_code == 204
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"] == {"broker": True, "database": True, "worker": False}
    assert 'normscope_jobs{state="queued"} 0' in client.get("/metrics").text
    document = client.get("/openapi.json").json()
    assert "/api/v1/jobs/{id}/measurements" in document["paths"]
    assert "POST /api/v1/jobs" in client.get("/docs").text


def test_a_probe_needs_somebody_who_answers(
    client: TestClient, recorder: Recorder, queue: Queue, settings: Settings
) -> None:
    job = create(client)["id"]
    question = {"probe": {"name": "example", "index": 1}}
    assert client.post(f"/jobs/{job}/probes", json=question).status_code == 409
    finish(recorder, queue, job, settings)
    nobody = client.post(f"/jobs/{job}/probes", json=question)
    assert nobody.status_code == 503
    assert "desk" in nobody.json()["detail"]
    assert client.post("/jobs/nothing/probes", json=question).status_code == 404
    wrong = client.post(f"/jobs/{job}/probes", json={"probe": {"name": "example", "index": -1}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["field"] == "probe.index"
