"""One stack for all tests; none where no engine answers."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.compose.stack import Stack, planned, standing, without_engine


@pytest.fixture(scope="session")
def engine() -> None:
    if reason := without_engine():
        pytest.skip(f"no Docker engine: {reason}")


@pytest.fixture(scope="module")
def stack(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with standing(planned(tmp_path_factory.mktemp("secrets"))) as stack:
        yield stack


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with stack.client() as client:
        yield client
