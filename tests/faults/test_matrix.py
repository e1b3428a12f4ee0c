"""Every process, struck in every way, while a job is in every phase.

`make test-faults` runs it and prints the table; `-k "worker and SIGKILL"` a part of it.
"""

from __future__ import annotations

import traceback

import pytest

from tests.faults import table
from tests.faults.phases import PHASES, ROUNDS, Cell, Undisturbed, hit
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

_outcomes: dict[tuple[str, str, tuple[str, ...]], dict[str, Cell]] = {}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("target", "how"), STRIKES, ids=lambda found: str(found))
def test_a_job_comes_to_its_right_end(
    target: str, how: str, phase: str, request: pytest.FixtureRequest
) -> None:
    prefix = "database_" if target == "database" else ""
    stand: Stand = request.getfixturevalue(f"{prefix}stand")
    undisturbed: Undisturbed = request.getfixturevalue(f"{prefix}undisturbed")
    (together,) = (phases for phases in ROUNDS if phase in phases)
    key = target, how, together
    if key not in _outcomes:
        try:
            _outcomes[key] = hit(stand, undisturbed, target, how, together)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            wrong = Cell(wrong=f"{type(error).__name__} in {where.name}: {error}"[:500])
            _outcomes[key] = dict.fromkeys(together, wrong)
            stand.settle()
        table.CELLS.setdefault((target, how), {}).update(_outcomes[key])
        print(*table.lines(), sep="\n", flush=True)
    cell = _outcomes[key][phase]
    assert not cell.wrong, f"{cell.wrong}\n{stand.explorer.logs()}"
    if cell.late and cell.load > BUSY:
        pytest.skip(f"right, but after {cell.seconds:.0f} s, and the machine was busy besides")
    assert not cell.late, f"right, but after {cell.seconds:.0f} s"
