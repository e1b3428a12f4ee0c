"""One stack for all tests; none where no engine answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack, standing, without_engine


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if reason := without_engine():
        pytest.skip(f"no Docker engine: {reason}")
    with standing(tmp_path_factory.mktemp("secrets")) as stack:
        yield stack
