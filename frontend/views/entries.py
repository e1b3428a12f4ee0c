"""An entry of the catalogue as its card tells it: data, which assets/catalogue.js draws."""

from __future__ import annotations

import re
from typing import Any

from frontend import specs, words
from frontend.api import Entry
from frontend.forms import allowed

ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
TYPES = {"number": "real", "integer": "whole", "boolean": "switch", "array": "list"}


def card(entry: Entry) -> dict[str, Any]:
    """Everything on the card; texts may hold `code` in backticks."""
    return {
        **{key: entry[key] for key in ("kind", "name", "title", "summary", "invariant")},
        "paper": _paper(entry["paper"]),
        "help": _help(entry["help"]),
        "preset": _preset(entry) if entry["kind"] == "preset" else None,
        "parameters": [_parameter(*one) for one in specs.parameters(entry).items()],
    }


def _paper(paper: str) -> list[str]:
    """Words and papers' numbers in turns, words first and last."""
    return ARXIV.split(paper)


def _help(text: str) -> list[dict[str, Any]]:
    """Paragraphs; lines of an equation keep their breaks."""
    blocks = [block for block in re.split(r"\n\s*\n", text) if block.strip()]
    return [{"text": block, "formula": _is_equation(block)} for block in blocks]


def _is_equation(block: str) -> bool:
    if ". " in block:
        return False
    lines = block.splitlines()
    return sum(" = " in line or "←" in line or "→" in line for line in lines) * 2 >= len(lines)


def _preset(entry: Entry) -> dict[str, Any]:
    facts = entry["facts"]
    told = [facts[key] for key in ("claim", "expected") if facts.get(key)]
    path = f"/launch?preset={entry['name']}"
    return {"told": told, "cost": words.cost(facts.get("cost")), "path": path}


def _parameter(name: str, schema: dict[str, Any]) -> list[str]:
    """Its row: name, type, default, range, what it is."""
    limit = schema.get("warn_from")
    warned = f"; trouble is known from {specs.text(limit)} on" if limit is not None else ""
    return [
        name,
        TYPES.get(schema.get("type", ""), "choice"),
        specs.text(schema.get("default")) or "required",
        allowed(schema),
        f"{schema.get('description') or ''}{warned}",
    ]
