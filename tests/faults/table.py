"""The matrix as it is filled: a line for each target and fault, a column for each phase."""

from __future__ import annotations

from tests.faults.phases import PHASES, Cell

CELLS: dict[tuple[str, str], dict[str, Cell]] = {}


def lines() -> list[str]:
    """Seconds until the job was seen to go on; what is wrong or late is told below."""
    wide, each = 16, 14
    head = f"{'target':<{wide}}{'fault':<10}" + "".join(f"{phase:>{each}}" for phase in PHASES)
    rows, notes = [head], []
    for (target, how), cells in CELLS.items():
        words = [_word(cells.get(phase)) for phase in PHASES]
        rows.append(f"{target:<{wide}}{how:<10}" + "".join(f"{word:>{each}}" for word in words))
        notes += [f"{target} {how} {p}: {_note(c)}" for p, c in cells.items() if c.wrong or c.late]
    return [*rows, *notes]


def _word(cell: Cell | None) -> str:
    if cell is None:
        return "—"
    return "WRONG" if cell.wrong else f"{cell.seconds:.1f} s{' late' if cell.late else ''}"


def _note(cell: Cell) -> str:
    late = f"after {cell.seconds:.0f} s, at a load of {cell.load:.1f} a core"
    return cell.wrong or late
