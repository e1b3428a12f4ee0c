"""The matrix as it is filled: a line for each target and fault, a column for each phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from tests.faults.phases import PHASES, Cell

CELLS: dict[tuple[str, str], dict[str, Cell]] = {}


def told(test: pytest.Item, target: str, how: str, cells: dict[str, Cell]) -> None:
    """Leave cells with a test's report: it may run in another process than who prints."""
    kept = {phase: asdict(cell) for phase, cell in cells.items()}
    test.user_properties.append(("cells", [target, how, kept]))


def heard(report: pytest.TestReport) -> None:
    """Fill in what a test left."""
    for name, value in report.user_properties:
        if name == "cells" and report.when == "call":
            target, how, cells = value  # type: ignore[misc]
            row = CELLS.setdefault((target, how), {})
            row |= {phase: Cell(**cell) for phase, cell in cells.items()}


def lines() -> Iterator[str]:
    """Seconds until the job was seen to go on; what is wrong or late is told below."""
    wide, each = 16, 14
    yield f"{'target':<{wide}}{'fault':<10}" + "".join(f"{phase:>{each}}" for phase in PHASES)
    for (target, how), cells in sorted(CELLS.items()):
        words = [_word(cells.get(phase)) for phase in PHASES]
        yield f"{target:<{wide}}{how:<10}" + "".join(f"{word:>{each}}" for word in words)
    for (target, how), cells in sorted(CELLS.items()):
        for phase, cell in cells.items():
            if cell.wrong or cell.late:
                yield f"{target} {how} {phase}: {_note(cell)}"


def _word(cell: Cell | None) -> str:
    if cell is None:
        return "—"
    return "WRONG" if cell.wrong else f"{cell.seconds:.1f} s{' late' if cell.late else ''}"


def _note(cell: Cell) -> str:
    late = f"after {cell.seconds:.0f} s, at a load of {cell.load:.1f} a core"
    return cell.wrong or late
