"""A few strikes that every commit must stand; `make test-faults` runs them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.phases import Cell, Undisturbed, hit
from tests.faults.stand import Stand, standing

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module")
def short_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with standing(tmp_path_factory.mktemp("short"), 1) as stand:
        yield stand


@pytest.fixture(scope="module")
def undisturbed(short_stand: Stand) -> Undisturbed:
    return Undisturbed(short_stand)


@pytest.mark.parametrize(
    ("target", "how", "phases"),
    [
        ("training child", "SIGKILL", ("checkpointing",)),
        ("recorder", "SIGKILL", ("training", "queued")),
        ("api", "SIGKILL", ("cancelling",)),
        ("broker", "SIGTERM", ("training",)),
    ],
    ids=lambda found: " ".join(found) if isinstance(found, tuple) else str(found),
)
def test_nothing_is_lost(
    short_stand: Stand, undisturbed: Undisturbed, target: str, how: str, phases: tuple[str, ...]
) -> None:
    found: dict[str, Cell] = hit(short_stand, undisturbed, target, how, phases)
    assert {phase: cell.wrong for phase, cell in found.items()} == dict.fromkeys(phases, "")
