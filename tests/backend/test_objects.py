"""The files of jobs where they lie in an object store and this host has none of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from backend import backup
from backend.export import pack
from backend.intake import Intake
from backend.queue import Queue
from backend.requests import Requests
from backend.retention import due, remove
from backend.store.engine import Store, open_store
from tests.backend.parts import calling, catalogue
from tests.backend.populated import TENSORS, populate
from tests.objects import Objects
from tests.objects import endpoint as endpoint
from tests.objects import objects as objects
from worker.contract.artifacts import Artifacts
from worker.contract.settings import Settings

FINAL, STATE = "trained/1/final.safetensors", "waits/1/resume-0000000010.safetensors"


@pytest.fixture
def away(settings: Settings, store: Store, objects: Objects) -> Settings:
    """An installation whose files lie in the store."""
    populate(store, settings.data_dir)
    told = {"artifacts_url": objects.url, "artifacts_endpoint": objects.endpoint}
    found = settings.model_copy(update=told)
    state = found.data_dir / "artifacts" / STATE
    state.parent.mkdir(parents=True)
    state.write_bytes(b"a state")
    Artifacts(found).put(Artifacts(found).folder)
    shutil.rmtree(found.data_dir / "artifacts")
    return found


@pytest.fixture
def caller(away: Settings, store: Store, queue: Queue) -> Iterator[TestClient]:
    with calling(away, store, queue) as client:
        yield client


def there(objects: Objects) -> list[str]:
    return sorted(objects.bucket.find())


def test_a_file_is_sent_from_the_store(caller: TestClient, objects: Objects) -> None:
    assert there(objects) == [FINAL, STATE]
    (artifact,) = caller.get("/jobs/trained/artifacts").json()["items"]
    answer = caller.get(f"/artifacts/{artifact['id']}")
    assert answer.content == TENSORS
    assert answer.headers["content-disposition"] == 'attachment; filename="final.safetensors"'
    objects.bucket.remove([FINAL])
    assert caller.get(f"/artifacts/{artifact['id']}").status_code == 404


def test_a_deleted_job_leaves_nothing_there(caller: TestClient, objects: Objects) -> None:
    assert caller.delete("/jobs/trained").status_code == 204
    assert there(objects) == [STATE]


def test_a_store_that_is_away_is_said_to_be(away: Settings, store: Store, queue: Queue) -> None:
    gone = away.model_copy(update={"artifacts_endpoint": "http://127.0.0.1:9"})
    with calling(gone, store, queue) as client:
        (artifact,) = client.get("/jobs/trained/artifacts").json()["items"]
        answer = client.get(f"/artifacts/{artifact['id']}")
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


def test_old_files_go_from_there(away: Settings, store: Store, objects: Objects) -> None:
    found = due(away.model_copy(update={"keep_gb": 1e-9}), store)
    assert [(one.path.name, one.bytes) for one in found] == [("trained", len(TENSORS))]
    assert remove(store, found[0], objects.bucket)
    assert there(objects) == [STATE]


def test_exported_from_one_store_and_imported_into_another(
    away: Settings, store: Store, objects: Objects, tmp_path: Path
) -> None:
    file = tmp_path / "jobs.zip"
    with file.open("w+b") as opened:
        pack(away, store, ["trained"], opened)
    other = away.model_copy(
        update={"data_dir": tmp_path / "other", "artifacts_url": f"{objects.url}/other"}
    )
    into = open_store(other)
    assert Intake(other, into, Requests(catalogue()), "a").take(file, None).new == ["trained"]
    into.close()
    assert there(objects) == sorted([FINAL, f"other/{FINAL}", STATE])


def test_backed_up_from_one_store_and_restored_into_another(
    away: Settings, store: Store, objects: Objects, tmp_path: Path
) -> None:
    file = tmp_path / "all.zip"
    assert backup.backup(away, store, file) == 2
    other = away.model_copy(
        update={"data_dir": tmp_path / "other", "artifacts_url": f"{objects.url}/other"}
    )
    into = open_store(other)
    assert backup.restore(other, into, file)[1] == 2
    into.close()
    assert there(objects) == sorted([FINAL, f"other/{FINAL}", f"other/{STATE}", STATE])
