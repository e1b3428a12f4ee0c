"""Jobs out of one installation and into another; and archives that somebody made up."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_LZMA, ZipFile

import pytest
from starlette.testclient import TestClient

from backend import __main__ as command
from backend.access import Role
from backend.archive import MANIFEST
from backend.queue import Queue
from backend.store import jobs
from backend.store.engine import Store, open_store
from backend.tensors import require_safetensors
from tests.backend.parts import AUTH, calling, train
from tests.backend.populated import TENSORS, files, populate, write
from tests.backend.test_security_roles import bearer, token_of
from worker.contract.events import Teller
from worker.contract.measurement import Curve
from worker.contract.settings import Settings

ZIP = {"Content-Type": "application/zip"}
JOB, POINTS = "jobs/trained/job.json", "jobs/trained/measurements.jsonl"
FILE = "jobs/trained/1/final.safetensors"
Members = dict[str, bytes]


@pytest.fixture
def other(tmp_path: Path, queue: Queue) -> Iterator[TestClient]:
    """A caller of another installation, which is empty."""
    settings = Settings(data_dir=tmp_path / "other", redis_url=queue.url)
    store = open_store(settings)
    with calling(settings, store, queue) as client:
        yield client
    store.close()


@pytest.fixture
def exported(client: TestClient, store: Store, tmp_path: Path) -> bytes:
    """An archive of a training."""
    populate(store, tmp_path)
    answer = client.get("/jobs/trained/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="normscope-trained.zip"' in answer.headers["content-disposition"]
    assert int(answer.headers["content-length"]) == len(answer.content)
    return answer.content


def take(client: TestClient, archive: bytes) -> Any:
    return client.post("/import", content=archive, headers=ZIP)


def opened(archive: bytes) -> tuple[Members, dict[str, Any]]:
    with ZipFile(io.BytesIO(archive)) as found:
        members = {name: found.read(name) for name in found.namelist()}
    return members, json.loads(members.pop(MANIFEST))


def closed(members: Members, manifest: dict[str, Any] | None = None, packed: int = 8) -> bytes:
    """An archive of the members; with an honest manifest, unless another is given."""
    if manifest is None:
        told = {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
        }
        manifest = {"kind": "normscope jobs", "revision": "0004", "members": told}
    file = io.BytesIO()
    with ZipFile(file, "w", packed) as archive:
        for name, data in {**members, MANIFEST: json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return file.getvalue()


def test_a_job_is_the_same_elsewhere(
    client: TestClient, other: TestClient, exported: bytes, tmp_path: Path
) -> None:
    answer = take(other, exported)
    assert answer.status_code == 201, answer.text
    (job,) = answer.json()["items"]
    first = client.get("/jobs/trained").json()
    gone = {"sweep", "estimate", "owner", "spec"}
    assert {k: v for k, v in job.items() if k not in gone} == {
        k: v for k, v in first.items() if k not in gone
    }
    assert (job["owner"], job["sweep"]) == ("installation", None)
    assert job["spec"].items() >= first["spec"].items()
    for query in ("", "?points=4", "?name=train/*"):
        path = f"/jobs/trained/measurements{query}"
        assert other.get(path).json() == client.get(path).json()
    assert files(tmp_path / "other") == {
        name: data for name, data in files(tmp_path).items() if name.startswith("trained")
    }
    (file,) = other.get("/jobs/trained/artifacts").json()["items"]
    assert other.get(f"/artifacts/{file['id']}").content == TENSORS
    clone = other.post("/jobs/trained/clone")
    assert (clone.status_code, clone.json()["spec"]) == (201, job["spec"])


def test_a_gap_in_a_curve_is_no_number(
    client: TestClient, other: TestClient, store: Store, exported: bytes
) -> None:
    gap = Curve(x=[0.0, 1.0], y=[float("nan"), 1.0], x_label="", y_label="")
    write(store, "waits", Teller("waits", 1).measured(0, 0.0, {"c": gap}))
    with store.write() as connection:
        jobs.ask_cancel(connection, "waits")
    assert take(other, client.get("/jobs/waits/export").content).status_code == 201
    (found,) = other.get("/jobs/waits/measurements").json()["items"]
    assert found["value"]["y"] == ["nan", 1.0]


def test_what_is_here_already_stays_as_it_is(other: TestClient, exported: bytes) -> None:
    assert take(other, exported).status_code == 201
    other.patch("/jobs/trained", json={"name": "mine now"})
    again = take(other, exported)
    assert (again.status_code, again.json()) == (200, {"items": [], "known": ["trained"]})
    assert other.get("/jobs/trained").json()["name"] == "mine now"
    members, _ = opened(exported)
    job = json.loads(members[JOB])
    members[JOB] = json.dumps({**job, "created_at": job["created_at"] + 1}).encode()
    refused = take(other, closed(members))
    assert (refused.status_code, "another job has it" in refused.json()["detail"]) == (409, True)


def test_no_name_is_a_formula_in_a_spreadsheet(other: TestClient, exported: bytes) -> None:
    members, _ = opened(exported)
    points = [[4, 0, 0.0, 1.0, -2.0], [5, 1, 1.0, 1.0, "-inf"]]
    archive = lined({"attempt": 1, "name": "=1+1", "points": points})(members)
    assert take(other, archive).status_code == 201
    _, *lines = other.get("/jobs/trained/measurements?format=csv").text.splitlines()
    assert lines == ["'=1+1,1,4,0,0.0,1.0,-2.0", "'=1+1,1,5,1,1.0,1.0,-inf"]


def test_only_what_has_ended_is_exported(client: TestClient, exported: bytes) -> None:
    refused = client.get("/jobs/waits/export")
    assert (refused.status_code, "has not ended" in refused.json()["detail"]) == (409, True)
    assert client.get("/jobs/nope/export").status_code == 404


@pytest.fixture
def attack(client: TestClient, store: Store, exported: bytes) -> str:
    """An attack on the training, which ended."""
    body = {"kind": "attack", "spec": {"source": "trained", "attacks": [{"name": "fgsm"}]}}
    job: str = client.post("/jobs", json=body).json()["id"]
    tell = Teller(job, 1)
    told = tell.measured(1, 0.0, {"attack/clean/accuracy": 0.9})
    write(store, job, tell.started("cpu", 10, 1.0, "hash"), told, tell.finished(10))
    return job


def test_an_attack_brings_the_network_that_it_is_of(
    client: TestClient, other: TestClient, attack: str
) -> None:
    archive = client.get(f"/jobs/{attack}/export").content
    members, name = opened(archive)[0], f"jobs/{attack}/job.json"
    job = json.loads(members[name])
    source = job["source"]
    job["source"] = {**source, "peers": [{**source, "peers": [source]}]}
    refused = take(other, closed({**members, name: json.dumps(job).encode()}))
    assert (refused.status_code, "a peer has no peers" in refused.text) == (422, True)
    answer = take(other, archive)
    assert answer.status_code == 201, answer.text
    assert [job["id"] for job in answer.json()["items"]] == ["trained", attack]
    assert other.get(f"/jobs/{attack}").json()["source"]["job"] == "trained"
    again = {"kind": "attack", "spec": {"source": "trained", "attacks": [{"name": "fgsm"}]}}
    assert other.post("/jobs", json=again).status_code == 201


def test_an_attack_speaks_of_no_other_network(
    client: TestClient, other: TestClient, attack: str
) -> None:
    """Else anybody could say of anybody's network that it is not robust."""
    members, _ = opened(client.get(f"/jobs/{attack}/export").content)
    mine = {name: data for name, data in members.items() if attack in name}
    theirs = other.post("/jobs", json=train(epochs=7)).json()["id"]
    name = f"jobs/{attack}/job.json"
    job = json.loads(mine[name])
    job["spec"]["source"] = job["source"]["job"] = theirs
    refused = take(other, closed({**mine, name: json.dumps(job).encode()}))
    assert refused.status_code == 422
    assert f"{theirs} is another job" in refused.json()["detail"]
    job["source"] = None
    refused = take(other, closed({**mine, name: json.dumps(job).encode()}))
    assert (refused.status_code, "only a training" in refused.text) == (422, True)


def changed(**fields: Any) -> Callable[[Members], bytes]:
    """The archive with other values in its job."""

    def change(members: Members) -> bytes:
        job = {**json.loads(members[JOB]), **fields}
        return closed({**members, JOB: json.dumps(job).encode()})

    return change


def lined(*lines: Any) -> Callable[[Members], bytes]:
    text = "\n".join(json.dumps(line) for line in lines)
    return lambda members: closed({**members, POINTS: text.encode()})


def put(name: str, data: bytes = b"x") -> Callable[[Members], bytes]:
    return lambda members: closed({**members, name: data})


def without(name: str) -> Callable[[Members], bytes]:
    return lambda members: closed({n: data for n, data in members.items() if n != name})


def lied(name: str, **what: Any) -> Callable[[Members], bytes]:
    """The manifest tells something else of a member."""

    def lie(members: Members) -> bytes:
        _, manifest = opened(closed(members))
        manifest["members"][name] |= what
        return closed(members, manifest)

    return lie


def flipped(members: Members) -> bytes:
    """A bit of the file itself is not as it was written."""
    archive = bytearray(closed(members, packed=0))
    archive[archive.index(TENSORS) + len(TENSORS) - 1] ^= 1
    return bytes(archive)


def bomb(members: Members) -> bytes:
    """400 MB of zeros in 400 kB, of which the manifest tells the truth."""
    size = 400 * 2**20
    digest = hashlib.sha256()
    file = io.BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        with archive.open("jobs/trained/1/bomb.csv", "w") as member:
            for _ in range(size // 2**20):
                member.write(bytes(2**20))
                digest.update(bytes(2**20))
        _, manifest = opened(closed(members))
        bombs = {"bytes": size, "sha256": digest.hexdigest()}
        manifest["members"]["jobs/trained/1/bomb.csv"] = bombs
        archive.writestr(MANIFEST, json.dumps(manifest))
    assert len(file.getvalue()) < 2**20
    return file.getvalue()


def twice(members: Members) -> bytes:
    file = io.BytesIO(closed(members))
    with pytest.warns(UserWarning, match="Duplicate"), ZipFile(file, "a") as archive:
        archive.writestr(FILE, b"another")
    return file.getvalue()


LINE = {"attempt": 1, "name": "x", "points": [[1, 1, 0.0, 1.0, 2.0]]}
CURVE = {"shape": "curve", "x": [0], "y": "no", "x_label": "", "y_label": ""}
ONE = {"attempt": 1, "name": "final.safetensors", "kind": "checkpoint", "step": 1, "created_at": 1}
HOSTILE: dict[str, tuple[Callable[[Members], bytes], str]] = {
    "no zip": (lambda _: b"PK\x03\x04" + bytes(99), "not a whole ZIP"),
    "nothing": (lambda _: b"", "not a whole ZIP"),
    "half": (lambda m: closed(m)[:-40], "not a whole ZIP"),
    "no manifest": (lambda m: closed(m).replace(b"manifest", b"manifold"), "no manifest.json"),
    "another kind": (lambda m: closed(m, {"kind": "x", "members": {}}), "manifest.json: kind"),
    "a backup": (
        lambda m: closed(m, {"kind": "normscope installation", "revision": "", "members": {}}),
        "not normscope jobs",
    ),
    "a wrong hash": (lied(FILE, sha256="0" * 64), "final.safetensors: not the bytes"),
    "a wrong size": (lied(FILE, bytes=7), "final.safetensors: not of the size"),
    "a flipped bit": (flipped, "final.safetensors cannot be unpacked"),
    "a bomb": (bomb, "unpacked it would be"),
    "one name twice": (twice, "differ"),
    "lzma": (lambda m: closed(m, packed=ZIP_LZMA), "unknown way"),
    "a path that leads up": (put("jobs/../../evil.csv"), "no name of a member"),
    "an absolute path": (put("/tmp/evil.csv"), "no name of a member"),
    "a drive": (put("C:\\evil.csv"), "no name of a member"),
    "a hidden file": (put("jobs/trained/1/.ssh"), "no name of a member"),
    "a stranger's member": (put("jobs/strange/1/a.csv"), "of no job"),
    "no measurements": (without(POINTS), "missing"),
    "no file": (without(FILE), "missing"),
    "no job": (lambda _: closed({}), "holds no job"),
    "not JSON": (put(JOB, b"{"), "is not JSON"),
    "a deep nest": (put(JOB, b"[" * 100_000), "job.json is not JSON"),
    "an id of another folder": (changed(id="other"), "id: it is other"),
    "an id that is a path": (changed(id="../x"), "job.json: id"),
    "a running job": (changed(state="running"), "job.json: state"),
    "an unknown field": (changed(owner="admin"), "job.json: owner"),
    "an unknown method": (
        changed(spec={**train()["spec"], "methods": [{"name": "magic"}]}),
        "spec.methods.0.name",
    ),
    "a huge job": (changed(spec={**train()["spec"], "epochs": 10**9}), "spec.epochs"),
    "a name with a control": (changed(name="a\nb"), "job.json: name"),
    "a file of pickles": (changed(files=[{**ONE, "name": "m.pkl"}]), "files.0.name"),
    "a file above": (changed(files=[{**ONE, "name": "../../x.csv"}]), "files.0.name"),
    "a file of a later attempt": (
        lambda m: changed(files=[{**ONE, "attempt": 2}])(
            {n.replace("/1/", "/2/"): d for n, d in m.items()}
        ),
        "no such attempt",
    ),
    "no tensors": (put(FILE, b"\x08" + bytes(7) + b"pickle__"), "header is not JSON"),
    "a header beyond the file": (put(FILE, b"\xff" * 8 + TENSORS), "longer than the file"),
    "bytes after the tensors": (put(FILE, TENSORS + b"more"), "not all of the file"),
    "a line of another attempt": (lined({**LINE, "attempt": 2}), "line 1: attempt"),
    "a huge number": (lined(LINE, {**LINE, "points": [[2**40, 0, 0, 1, 0]]}), "line 2: points"),
    "no shape": (lined({**LINE, "shapes": [[1, 1, 0, 1, CURVE]]}), "line 1: shapes.0"),
    "infinite steps": (lined({**LINE, "points": [[1, 1, float("inf"), 1, 0]]}), "not JSON"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    other: TestClient, exported: bytes, tmp_path: Path, what: str
) -> None:
    make, told = HOSTILE[what]
    before = set(tmp_path.rglob("*"))
    refused = take(other, make(opened(exported)[0]))
    assert refused.status_code == 422, refused.text
    (error,) = refused.json()["errors"]
    assert error["field"] == "archive"
    assert told in error["message"]
    assert other.get("/jobs").json()["items"] == []
    new = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert {path.name.partition(".")[0] for path in new} <= {"normscope"}, new


def test_one_that_is_too_large_is_not_even_read(
    tmp_path: Path, queue: Queue, exported: bytes
) -> None:
    settings = Settings(data_dir=tmp_path / "small", redis_url=queue.url, import_mb=1)
    store = open_store(settings)
    with calling(settings, store, queue) as client:
        assert take(client, bytes(2**20 + 1)).status_code == 413
        chunks = (bytes(2**18) for _ in range(5))
        assert client.post("/import", content=chunks, headers=ZIP).status_code == 413
        other = client.post("/jobs", content=bytes(2**20 + 1), headers=ZIP)
        assert other.status_code == 413
        assert take(client, exported).status_code == 201
        plain = client.post("/import", json={})
        assert (plain.status_code, "application/zip" in plain.text) == (415, True)
    store.close()


def test_whoever_may_submit_may_import(
    stranger: TestClient, store: Store, other: TestClient, exported: bytes
) -> None:
    for role, status in ((Role.READ, 403), (Role.SUBMIT, 200)):
        headers = bearer(token_of(store, f"a-{role}", role)) | ZIP
        answer = stranger.post("/api/v1/import", content=exported, headers=headers)
        assert answer.status_code == status
    deeds = stranger.get("/api/v1/audit?who=a-submit", headers=AUTH).json()["items"]
    assert [(deed["what"], deed["outcome"]) for deed in deeds] == [("POST /api/v1/import", 200)]


def test_the_commands(
    tmp_path: Path,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    populate(store, tmp_path)
    monkeypatch.delenv("NORMSCOPE_DATABASE_URL", raising=False)
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path))
    file = str(tmp_path / "jobs.zip")
    assert command.main(["export", file, "trained"]) == 0
    assert command.main(["export", file, "trained"]) == 1
    assert command.main(["export", str(tmp_path / "b.zip"), "waits"]) == 1
    assert not (tmp_path / "b.zip").exists()
    monkeypatch.setenv("NORMSCOPE_DATA_DIR", str(tmp_path / "other"))
    assert command.main(["import", file]) == 0
    assert command.main(["import", file]) == 0
    told = capsys.readouterr()
    assert "imported: trained" in told.out
    assert "imported: nothing; here already: trained" in told.out
    assert "has not ended" in told.err


@pytest.mark.parametrize(
    ("tensor", "why"),
    [
        ({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}, "described"),
        ({"dtype": "F32", "shape": [-2], "data_offsets": [0, -8]}, "described"),
        ({"dtype": "Q7", "shape": [2], "data_offsets": [0, 8]}, "described"),
        ({"dtype": "F32", "shape": [2.0], "data_offsets": [0, 8]}, "described"),
        ({"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}, "gaps"),
        ([], "described"),
    ],
)
def test_a_header_accounts_for_every_byte(tmp_path: Path, tensor: Any, why: str) -> None:
    text = json.dumps({"w": tensor}).encode()
    path = tmp_path / "x"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(8))
    with pytest.raises(ValueError, match=why):
        require_safetensors(path)
    path.write_bytes(TENSORS)
    require_safetensors(path)
