"""What of the catalogue a search means, best first: names before prose."""

from __future__ import annotations

import re
from collections.abc import Sequence

from frontend import specs
from frontend.api import Entry

WHOLE_WORD = 4
"""In prose a shorter word counts only where it stands alone: "sam" is not "sample"."""


def found(entries: Sequence[Entry], q: str) -> list[Entry]:
    """The entries that have every word of the search, those that are called so first."""
    words = q.lower().split()
    ranks = [[_rank(entry, word) for word in words] for entry in entries]
    kept = sorted((sum(rank), at) for at, rank in enumerate(ranks) if 0 not in rank)
    return [entries[at] for _, at in kept]


def _rank(entry: Entry, word: str) -> int:
    """1: called so; 2: a name begins so; 3: a name has it; 4: a parameter; 5: prose; 0: none."""
    names = [entry["name"].lower(), entry["title"].lower()]
    parts = [*names, *re.split(r"[\W_]+", " ".join(names))]
    told = " ".join([entry["summary"], entry["help"], entry["paper"]])
    fits = (
        word in parts,
        any(part.startswith(word) for part in parts),
        any(word in name for name in names),
        _tells(" ".join(specs.parameters(entry)).replace("_", " "), word),
        _tells(told, word),
    )
    return next((rank for rank, fit in enumerate(fits, 1) if fit), 0)


def _tells(text: str, word: str) -> bool:
    """Whether one of the text's words begins so; is so, if it is a short one."""
    end = "" if len(word) >= WHOLE_WORD else r"(?!\w)"
    return bool(re.search(rf"(?<!\w){re.escape(word)}{end}", text.lower()))
