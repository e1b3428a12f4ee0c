"""Budgets of attacks as their catalogue entries tell them: words, and values worth trying."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from frontend import specs
from frontend.api import Catalog

EIGHT_BITS = [round(n / 255, 5) for n in (0, 1, 2, 4, 8)]
SUIT = {
    "mnist": [0.0, 0.05, 0.1, 0.2, 0.3],
    "fashion_mnist": [0.0, 0.05, 0.1, 0.2, 0.3],
    "cifar10": EIGHT_BITS,
    "cifar100": EIGHT_BITS,
    "svhn": EIGHT_BITS,
}
"""Budgets that the literature uses for these data, in linf of an input's change."""
ALWAYS_LINF = {"norm": "linf"}


def symbols(label: str) -> str:
    """A budget's words with its symbol as papers set it."""
    return re.sub(r"\beps(?=_w\b|\b)", "ε", label)


def budget(catalog: Catalog, attack: Mapping[str, Any]) -> dict[str, Any] | None:
    """What ε means for an attack with these parameters; the entry's defaults where one is unset."""
    entry = specs.find(catalog, "attack", str(attack.get("name")))
    if entry is None:
        return None
    usual = {name: asked.get("default") for name, asked in specs.parameters(entry).items()}
    given = {**usual, **{name: value for name, value in attack.items() if value is not None}}
    offered: Sequence[dict[str, Any]] = (entry.get("facts") or {}).get("budgets", [])
    fits = (one for one in offered if all(given.get(k) == v for k, v in one["when"].items()))
    return next(fits, None)


def unit(catalog: Catalog, attack: Mapping[str, Any]) -> str:
    """What its budgets are counted in."""
    entry = specs.find(catalog, "attack", str(attack.get("name")))
    return str((entry or {"facts": {}}).get("facts", {}).get("unit") or "input units")


def grid(catalog: Catalog, attack: Mapping[str, Any], data: str | None) -> list[float]:
    """Budgets worth trying; on inputs within linf those that suit the data, where there are any."""
    found = budget(catalog, attack)
    if found is None:
        return []
    if found["when"] == ALWAYS_LINF and data in SUIT:
        return SUIT[data]
    return [float(eps) for eps in found["grid"]]
