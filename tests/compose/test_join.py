"""A worker of another project, which stands for another host, joins by TLS and does the job."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import ROOT, free_port
from tests.compose.jobs import trained
from tests.compose.stack import Stack, planned, said, standing
from tests.compose.test_overlays import KEYS, stored

pytestmark = pytest.mark.compose

OURS = ("docker-compose.yml", "docker-compose.s3.yml")
HERE = (
    *(*OURS, "docker-compose.join.yml"),
    *("tests/compose/standin/store.yml", "tests/compose/standin/elsewhere.yml"),
)
THERE = (*OURS, "docker-compose.worker.yml")
TAKEN = ("redis_password", "redis_certificate", "s3")
"""The secrets that a worker's host is given."""


@pytest.fixture(scope="module")
def where(engine: None) -> dict[str, str]:
    """An address of this machine that every container reaches, and ports of it."""
    how = "{{(index .IPAM.Config 0).Gateway}}"
    address = said(["docker", "network", "inspect", "bridge", "--format", how]).strip()
    port = str(free_port())
    return {
        "NORMSCOPE_JOIN": address,
        "NORMSCOPE_JOIN_PORT": str(free_port()),
        "STORE_PORT": port,
        "NORMSCOPE_ARTIFACTS_URL": "s3://bucket/some/where",
        "NORMSCOPE_ARTIFACTS_ENDPOINT": f"http://{address}:{port}",
    }


@pytest.fixture(scope="module")
def here(where: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The explorer, without a worker."""
    folder = tmp_path_factory.mktemp("here")
    made = ["make", "join", f"ADDRESS={where['NORMSCOPE_JOIN']}", f"SECRETS={folder}"]
    subprocess.run(made, cwd=ROOT, check=True, capture_output=True)
    (folder / "s3").write_text(KEYS)
    (folder / "s3").chmod(0o444)
    stack = planned(folder, files=HERE, variables=where)
    with standing(stack, "store", "recorder", "web", "api") as stack:
        stored(stack, "store.create_bucket(Bucket='bucket')")
        yield stack


@pytest.fixture(scope="module")
def there(here: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A worker that knows an address and three files."""
    folder = tmp_path_factory.mktemp("there")
    stack = planned(folder, files=THERE, variables=here.variables)
    for name in ("token", "database_password"):
        (folder / name).unlink()
    for name in TAKEN:
        taken_over(here.folder / name, folder / name)
    with standing(stack, "worker") as stack:
        yield stack


def taken_over(file: Path, copy: Path) -> None:
    copy.unlink(missing_ok=True)
    shutil.copy(file, copy)


def test_a_worker_elsewhere_does_the_job(here: Stack, there: Stack) -> None:
    (worker,) = there.containers("worker")
    with here.client() as client:
        network = trained(client)
        told = client.get(f"/jobs/{network}").raise_for_status().json()
    assert told["worker"].startswith(worker[:12])
    assert network in stored(
        here, "print([o['Key'] for o in store.list_objects(Bucket='bucket')['Contents']])"
    )


def test_nothing_but_tls_answers_elsewhere(here: Stack, there: Stack) -> None:
    address, port = (here.variables[name] for name in ("NORMSCOPE_JOIN", "NORMSCOPE_JOIN_PORT"))
    plain = f"import redis; redis.Redis('{address}', {port}, socket_timeout=5).ping()"
    with pytest.raises(AssertionError, match="ConnectionError"):
        there.compose("exec", "-T", "worker", "python", "-c", plain)
