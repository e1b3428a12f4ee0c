"""Artifacts in an object store: a real S3 server, a real worker, hosts that share nothing else."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.broker import Broker, running_broker
from tests.objects import Objects
from tests.objects import endpoint as endpoint
from tests.objects import objects as objects
from tests.worker.desk import LONG, Desk, running_worker, until
from worker.contract import wire
from worker.contract.artifacts import Artifacts
from worker.contract.bucket import Bucket
from worker.contract.settings import Settings
from worker.staging import bring_dataset, with_datasets


@pytest.fixture
def own(tmp_path: Path, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker whose workers keep artifacts in the store, and leave a state often."""
    for name, value in {**objects.env, "NORMSCOPE_CHECKPOINT_S": "0.5"}.items():
        monkeypatch.setenv(name, value)
    return Broker(tmp_path / "one")


def names(objects: Objects, job: str) -> list[str]:
    return sorted(name.removeprefix(f"{job}/") for name in objects.bucket.find(job))


def states(objects: Objects, job: str) -> list[str]:
    return [name for name in names(objects, job) if "resume" in name]


def test_an_object_is_whole_or_not_there(objects: Objects, tmp_path: Path) -> None:
    bucket, file, back = objects.bucket, tmp_path / "file", tmp_path / "back" / "file"
    file.write_bytes(bytes(range(256)) * 8192)
    bucket.put(file, "a/b")
    assert {name: one.bytes for name, one in bucket.find("a").items()} == {"a/b": 2**21}
    bucket.get("a/b", back)
    assert back.read_bytes() == b"".join(bucket.chunks("a/b")) == file.read_bytes()
    with pytest.raises(FileNotFoundError):
        bucket.get("a/c", back.with_name("c"))
    assert [path.name for path in back.parent.iterdir()] == ["file"]
    bucket.remove(["a/b", "a/c"])
    assert bucket.find() == {}


def test_a_store_that_does_not_answer_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="object store"):
        Bucket("s3://bucket/x", "http://127.0.0.1:9").find("a")


def test_a_job_leaves_in_the_store_what_it_tells_and_nothing_here(
    own: Broker, objects: Objects
) -> None:
    with running_broker(own.data_dir) as broker, running_worker(broker) as desk:
        job = desk.send(epochs=20)
        events = desk.finish(job)
        until(lambda: desk.card().state == "idle", 60, "it does not end")
        told = {event["name"]: event["sha256"] for event in events if event["type"] == "saved"}
        assert "final.safetensors" in told
        until(lambda: not states(objects, job), 60, "states of a job that succeeded stay")
        assert names(objects, job) == sorted(f"1/{name}" for name in told)
        for name, digest in told.items():
            content = b"".join(objects.bucket.chunks(f"{job}/1/{name}"))
            assert hashlib.sha256(content).hexdigest() == digest
        assert not list(broker.data_dir.rglob("*.safetensors"))
        assert attack(desk, job)[-1]["type"] == "finished"


def attack(desk: Desk, trained: str) -> list[dict[str, Any]]:
    """On a network that only the store has."""
    ticket = wire.Ticket.model_validate_json(str(desk.client.get(wire.ticket_key(trained))))
    source = wire.Source(job=trained, attempt=1, spec=ticket.spec, checkpoint="final.safetensors")
    spec = {"source": trained, "attacks": [{"name": "fgsm"}], "eps_grid": [0, 0.1], "limit": 50}
    asked = wire.Ticket(job=f"on-{trained}", kind="attack", attempt=1, spec=spec, source=source)
    desk.client.set(wire.ticket_key(asked.job), asked.model_dump_json())
    desk.deliver(asked.job)
    return desk.finish(asked.job)


def again(desk: Desk, job: str) -> None:
    """The next attempt, as the recorder sends it."""
    found = desk.client.get(wire.ticket_key(job))
    ticket = wire.Ticket.model_validate_json(str(found)).model_copy(update={"attempt": 2})
    desk.client.set(wire.ticket_key(job), ticket.model_dump_json())
    desk.deliver(job)


@pytest.mark.slow
def test_another_host_goes_on_from_the_store_past_a_damaged_state(
    own: Broker, objects: Objects, tmp_path: Path
) -> None:
    with running_broker(own.data_dir) as broker:
        with running_worker(broker) as desk:
            job = desk.send(LONG)
            until(lambda: len(states(objects, job)) == 2, 60, "no two states in the store")
        kept = states(objects, job)
        assert len(kept) == 2, "the last few stay, as on a disk"
        damaged = tmp_path / "damaged"
        damaged.write_bytes(b"".join(objects.bucket.chunks(f"{job}/{kept[-1]}"))[:-9])
        objects.bucket.put(damaged, f"{job}/{kept[-1]}")
        broker.data_dir = tmp_path / "two"
        with running_worker(broker) as desk:
            again(desk, job)
            until(lambda: _of(desk, job, 2, "measured"), 60, "it does not go on")
            (started,) = _of(desk, job, 2, "started")
            assert started["info"]["resumed_at"] == int(kept[0].split("-")[1].split(".")[0])
            assert [event["code"] for event in _of(desk, job, 2, "noted")] == ["damaged_checkpoint"]
            desk.client.set(wire.cancel_key(job), 1)
            desk.finish(job)


def _of(desk: Desk, job: str, attempt: int, kind: str) -> list[dict[str, object]]:
    return [e for e in desk.events(job) if e["attempt"] == attempt and e["type"] == kind]


def test_a_data_set_is_brought_once(objects: Objects, tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_bytes(b"rows")
    Bucket(f"{objects.url}/data", objects.endpoint).put(tmp_path / "train.parquet", "d/x/train")
    settings = Settings(
        data_dir=tmp_path / "host",
        datasets_url=f"{objects.url}/data",
        artifacts_endpoint=objects.endpoint,
    )
    for name in ("d", "d", "moons"):
        bring_dataset(settings, name)
    folder = with_datasets(settings).datasets_dir
    assert folder is not None
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == [
        "d",
        "d/x",
        "d/x/train",
    ]


def test_without_a_store_files_lie_where_they_are(tmp_path: Path) -> None:
    files = Artifacts(Settings(data_dir=tmp_path))
    with files.file("job", 1, "name") as path:
        assert path == tmp_path.resolve() / "artifacts/job/1/name"
    assert files.jobs() == {}


@pytest.mark.parametrize("url", ["file:///data", "/data", "s3://", "memory://x"])
def test_only_a_store_of_objects_will_do(url: str) -> None:
    with pytest.raises(ValueError, match="object store"):
        Settings(artifacts_url=url)
