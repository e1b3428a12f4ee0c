"""One explorer for all who attack it: cheap jobs only, and no limit to how often one may ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import browser as browser
from tests.e2e.conftest import page as page
from tests.e2e.explorer import Explorer, running


@pytest.fixture(scope="session")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    limits = {"NORMSCOPE_RATE_LIMIT": "100000", "NORMSCOPE_COST_LIMIT_S": "5"}
    with running(tmp_path_factory.mktemp("besieged"), **limits) as explorer:
        yield explorer


def api(explorer: Explorer) -> str:
    """The API's own address, beside the dashboard's, which passes on to it."""
    return f"http://127.0.0.1:{explorer.env['NORMSCOPE_API_PORT']}"
