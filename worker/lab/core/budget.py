"""What an attack may spend: the words of its axis, and values worth trying."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Budget:
    """The meaning of eps where an attack's parameters are as `when` says (always, if empty).

    Attacks whose budgets have the same label compete: at the same eps, one can be the worst case
    of the other.
    """

    label: str
    grid: tuple[float, ...]
    when: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, parameters: Mapping[str, Any]) -> bool:
        return all(parameters.get(name) == value for name, value in self.when.items())

    def fact(self) -> dict[str, Any]:
        return {**asdict(self), "grid": list(self.grid)}


INPUTS = (
    Budget("eps, linf of the input's change", (0.0, 0.02, 0.05, 0.1, 0.15, 0.2), {"norm": "linf"}),
    Budget("eps, l2 of the input's change", (0.0, 0.25, 0.5, 1.0, 1.5, 2.0), {"norm": "l2"}),
    Budget("eps, l1 of the input's change", (0.0, 2.0, 4.0, 8.0, 12.0, 16.0), {"norm": "l1"}),
)
"""Balls about inputs in [0, 1]."""

RELATIVE_LINF = "eps_w, largest change of a weight relative to its tensor's largest weight"

WEIGHTS = (
    Budget(
        "eps_w, largest change of a weight",
        (0.0, 0.001, 0.002, 0.005, 0.01, 0.02),
        {"norm": "linf", "relative": False},
    ),
    Budget(
        RELATIVE_LINF,
        (0.0, 0.004, 0.008, 0.0165, 0.034, 0.072),
        {"norm": "linf", "relative": True},
    ),
    Budget(
        "eps_w, l2 of a tensor's change",
        (0.0, 0.02, 0.05, 0.1, 0.2, 0.5),
        {"norm": "l2", "relative": False},
    ),
    Budget(
        "eps_w, l2 of a tensor's change relative to its own l2",
        (0.0, 0.005, 0.01, 0.02, 0.05, 0.1),
        {"norm": "l2", "relative": True},
    ),
)
"""Balls about every tensor of the weights."""
