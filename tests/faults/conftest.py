"""Explorers to strike at, and the table at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backend.postgresql import Postgresql, find_postgresql
from tests.faults import table
from tests.faults.phases import Undisturbed
from tests.faults.stand import Stand, standing

WORKERS = 2


@pytest.fixture(scope="session")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """On SQLite and the embedded broker, as `make run` starts it."""
    with standing(tmp_path_factory.mktemp("faults"), WORKERS) as stand:
        yield stand


@pytest.fixture(scope="session")
def undisturbed(stand: Stand) -> Undisturbed:
    return Undisturbed(stand)


@pytest.fixture(scope="session")
def database_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """On a PostgreSQL of its own."""
    bin = find_postgresql()
    if bin is None:
        pytest.skip("no PostgreSQL on this machine")
    # Not in pytest's folder: whoever starts another pytest shuts that to the server's user.
    with tempfile.TemporaryDirectory() as folder:
        server = Postgresql(bin, Path(folder))
        server.create()
        server.start()
        try:
            with standing(tmp_path_factory.mktemp("faults-sql"), WORKERS, server) as stand:
                yield stand
        finally:
            server.stop()


@pytest.fixture(scope="session")
def database_undisturbed(database_stand: Stand) -> Undisturbed:
    return Undisturbed(database_stand)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if table.CELLS:
        terminalreporter.section("faults: seconds until a job goes on")
        for line in table.lines():
            terminalreporter.write_line(line)
