"""Every process, struck in every way, while a job is in every phase.

`make test-faults` runs it and prints the table; `-k "worker and SIGKILL"` a part of it. With
`-n 2 --dist loadgroup` it takes half the time and, on two cores, says nothing of seconds.
"""

from __future__ import annotations

import traceback

import pytest

from tests.faults import table
from tests.faults.phases import ROUNDS, Cell, Undisturbed, hit
from tests.faults.stand import Stand

pytestmark = [pytest.mark.faults, pytest.mark.e2e]

TARGETS = ("training child", "worker", "recorder", "api", "web", "broker", "supervisor", "database")
BUSY = 1.5
"""Processes that want a core, for each there is: then seconds say nothing of the explorer."""
FAULTS = ("SIGKILL", "SIGSTOP", "SIGTERM")
STRIKES = [
    *((target, how) for target in TARGETS for how in FAULTS),
    ("file lock", "locked"),
    ("broker's clock", "an hour"),
]
TOGETHER = {"database": [pytest.mark.xdist_group("database")]}
"""What has one explorer more: whoever strikes it in parallel shares that."""


@pytest.mark.parametrize("phases", ROUNDS, ids=" ".join)
@pytest.mark.parametrize(
    ("target", "how"),
    [pytest.param(*one, id=" ".join(one), marks=TOGETHER.get(one[0], [])) for one in STRIKES],
)
def test_jobs_come_to_their_right_end(
    target: str, how: str, phases: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    prefix = "database_" if target == "database" else ""
    stand: Stand = request.getfixturevalue(f"{prefix}stand")
    undisturbed: Undisturbed = request.getfixturevalue(f"{prefix}undisturbed")
    try:
        cells = hit(stand, undisturbed, target, how, phases)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        wrong = Cell(wrong=f"{type(error).__name__} in {where.name}: {error}"[:500])
        cells = dict.fromkeys(phases, wrong)
        stand.settle()
    table.told(request.node, target, how, cells)
    wrong_ones = {phase: cell.wrong for phase, cell in cells.items() if cell.wrong}
    assert not wrong_ones, f"{wrong_ones}\n{stand.explorer.logs()}"
    late = {phase: f"{cell.seconds:.0f} s" for phase, cell in cells.items() if cell.late}
    if late and all(cell.load > BUSY for cell in cells.values()):
        pytest.skip(f"right, but late, and the machine was busy besides: {late}")
    assert not late, f"right, but late: {late}"
