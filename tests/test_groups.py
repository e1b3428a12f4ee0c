"""What the other tests rely on: a group's tests share one process, and so one explorer."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_stays_together(request: pytest.FixtureRequest) -> None:
    """pytest 9.2 parts them without a word (pytest-xdist's issue 1386)."""
    if not request.config.getoption("loadgroup", False):
        pytest.skip("not spread over processes by groups")
    assert request.node.nodeid.endswith("@together")
