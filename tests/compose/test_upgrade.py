"""What a stack of an earlier version left, a running job among it, today's takes over."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.broker import ROOT
from tests.compose.jobs import after, attacked, cancelled, second, table, trained, until, working
from tests.compose.stack import Stack, planned, said, standing

pytestmark = pytest.mark.compose

MIGRATION = "backend/store/migrations/versions/0004_access.py"
"""The version before this one came: it knew neither tokens with roles nor priorities."""


@pytest.fixture
def earlier(engine: None, tmp_path: Path) -> Iterator[Stack]:
    added = ["git", "-C", str(ROOT), "log", "--diff-filter=A", "--format=%H", "--", MIGRATION]
    told = subprocess.run(added, capture_output=True, text=True)
    if told.returncode != 0 or not told.stdout.strip():
        pytest.skip("needs the history of the repository")
    tree, folder = tmp_path / "tree", tmp_path / "secrets"
    tree.mkdir()
    folder.mkdir()
    packed = tmp_path / "tree.tar"
    archive = ["archive", "-o", str(packed), f"{told.stdout.split()[-1]}^"]
    said(["git", "-C", str(ROOT), *archive])
    said(["tar", "-xf", str(packed), "-C", str(tree)])
    with standing(planned(folder, root=tree)) as stack:
        yield stack


def test_todays_version_takes_over_what_an_earlier_one_left(earlier: Stack) -> None:
    with earlier.client() as client:
        network, running = trained(client), working(client)
        before = table(client, network)
        after(20)  # a run keeps what it remembers every 15 s; so early a version only then
    earlier.compose("down", "--timeout", "20", "--rmi", "local")
    today = replace(earlier, root=ROOT)
    today.up()
    with today.client() as client:
        assert table(client, network) == before
        again = until(lambda: second(client, running), "what ran does not go on")
        assert again["info"]["resumed_at"] > 0
        cancelled(client, running)
        attacked(client, network)
