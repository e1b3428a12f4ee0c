"""Explorers to strike at, and the table at the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backend.postgresql import postgresql_server
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
    folder = tmp_path_factory.mktemp("faults-sql")
    with postgresql_server() as server, standing(folder, WORKERS, server) as stand:
        yield stand


@pytest.fixture(scope="session")
def database_undisturbed(database_stand: Stand) -> Undisturbed:
    return Undisturbed(database_stand)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    table.heard(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if table.CELLS:
        terminalreporter.section("faults: seconds until a job goes on")
        for line in table.lines():
            terminalreporter.write_line(line)
