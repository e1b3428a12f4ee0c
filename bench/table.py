"""A benchmark yields rows: what was measured, the figure, and what was hoped for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    what: str
    figure: str
    goal: str = ""
    note: str = ""


def show(row: Row) -> None:
    """One aligned line, printed as soon as it is known."""
    print(f"{row.what:<58} {row.figure:>22}   {row.goal:<18} {row.note}", flush=True)
