"""What fields of specs and their values are called: by the catalogue's titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontend import specs
from frontend.api import Catalog
from frontend.views.called import ALWAYS

KINDS = ("dataset", "model", "method", "optimizer", "attack")
SLOTS = {"dataset": "Data set", "model": "Network", "attack": "Attack"}
"""Fields that hold an entry's name, where their own word is not what people say."""

Titles = Mapping[str, str]
"""Entries' titles by name."""


def titles(catalog: Catalog | None) -> dict[str, str]:
    """Of all entries that a training's spec names, and of the optimizers' fields that have one."""
    named = {name: title for kind in KINDS for name, title in specs.titles(catalog, kind).items()}
    return named | _fields(catalog)


def _fields(catalog: Catalog | None) -> dict[str, str]:
    """`optimizer.decay` is "Drop factor", as the form has it."""
    entries = [one for one in (catalog or {"entries": []})["entries"] if one["kind"] == "optimizer"]
    return {
        f"optimizer.{name}": specs.label(name, schema)
        for entry in entries
        for name, schema in specs.parameters(entry).items()
    }


def words(path: str, known: Titles) -> str:
    """`methods.weissi.strength` is "WEISSI strength", `optimizer.lr` is "Learning rate"."""
    slot, *rest = path.split(".")
    if slot != "methods" or not rest:
        last = (rest or [slot])[-1]
        return known.get(path) or SLOTS.get(last) or specs.label(last, specs.RUN.get(path, {}))
    method, *fields = rest
    return " ".join([entry(method, known), *(_within(field) for field in fields)])


def swept(path: str, base: Mapping[str, Any], known: Titles) -> str:
    """The same of a field of a request, entries by place: `spec.methods.1.strength`."""
    field = path.removeprefix("spec.").removesuffix(".name")
    slot, _, last = field.rpartition(".")
    if last.isdigit():
        return f"{specs.label(specs.LISTS.get(slot, slot), {})} {int(last) + 1}"
    return words(specs.control_path(base.get("spec") or {}, field), known)


def entry(name: str, known: Titles) -> str:
    return known.get(name) or name.replace("_", " ")


def value(path: str, found: Any, known: Titles) -> str:
    """A value as `flat` has it, in words; a dash for what a job does not have."""
    if found is None or found == "":
        return "–"
    if path == "methods":
        return " + ".join(entry(name, known) for name in str(found).split(" + "))
    if path.rsplit(".", 1)[-1] in (*SLOTS, "optimizer"):
        return entry(str(found), known)
    return specs.text(found)


def telling(path: str, found: Any, known: Titles) -> str:
    """The same for a legend: of several methods without the one that tells nothing."""
    if path == "methods" and found == ALWAYS:
        return f"{entry(ALWAYS, known)} alone"
    if path == "methods" and found:
        found = " + ".join(name for name in str(found).split(" + ") if name != ALWAYS)
    return value(path, found, known)


def for_script(apart: Mapping[str, Sequence[Any]], known: Titles) -> dict[str, Any]:
    """Of each field in which jobs differ its words, and those of its values that have others."""
    said = {
        path: {_raw(one): telling(path, one, known) for one in values if one is not None}
        for path, values in apart.items()
    }
    changed = {
        path: {raw: word for raw, word in each.items() if raw != word}
        for path, each in said.items()
    }
    return {"titles": {path: words(path, known) for path in apart}, "said": changed}


def _raw(found: Any) -> str:
    """As the script writes it."""
    return str(found).lower() if isinstance(found, bool) else str(found)


def _within(name: str) -> str:
    """A field's word inside of a sentence: "strength", "learning rate"."""
    word = specs.label(name, {})
    return word[:1].lower() + word[1:]
