"""Values of the form's controls → the spec that a request carries, and back from its errors.

A control's path is its value's place in the spec, entries by name: `methods.weissi.strength`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from frontend.api import Catalog, Entry, FieldError
from frontend.words import number

Values = Mapping[str, Any]
"""What the controls hold, by path."""

SINGLE = {"dataset": "dataset", "model": "model", "optimizer": "optimizer"}
LISTS = {"methods": "method", "diagnostics": "diagnostic"}

RUN: dict[str, dict[str, Any]] = {
    "epochs": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100_000,
        "default": 20,
        "description": "passes over the training data",
    },
    "batch_size": {
        "type": "integer",
        "minimum": 1,
        "maximum": 65_536,
        "default": 64,
        "title": "Batch size",
        "description": "examples in a step",
    },
    "seed": {
        "type": "integer",
        "minimum": 0,
        "maximum": 2**31 - 1,
        "default": 0,
        "description": "of weights and batches",
    },
    "log_every": {
        "anyOf": [{"type": "integer", "minimum": 1}, {"const": "auto"}],
        "default": "auto",
        "title": "Measure every",
        "unit": "steps",
        "description": "auto: as often as costs 5 % of the time",
    },
    "device": {"enum": ["auto", "cpu", "cuda"], "default": "auto", "description": "where it runs"},
    "processes": {
        "type": "integer",
        "minimum": 1,
        "maximum": 64,
        "default": 1,
        "description": "that share each batch; on CUDA a GPU for each",
    },
}
"""The parameters of a run that belong to no entry of the catalogue."""


def run(devices: Sequence[str] | None, asked: str | None = None) -> dict[str, dict[str, Any]]:
    """RUN with the devices that the workers have (as they tell: "cuda (NVIDIA …)"); all of them
    where nobody can say. What a shared request asks for stays there to be seen."""
    if devices is None:
        return RUN
    have = {device.partition(" ")[0].lower() for device in devices} | {"cpu"}
    choices = [one for one in RUN["device"]["enum"] if one in {"auto", asked, *have}]
    told = "where it runs"
    if "cuda" not in have:
        told += "; no worker that is alive has CUDA"
    return {**RUN, "device": {**RUN["device"], "enum": choices, "description": told}}


DEFAULTS: dict[str, Any] = {
    "dataset": "digits",
    "model": "mlp",
    "methods": ["cross_entropy"],
    "optimizer": "sgd",
    "diagnostics": [
        "accuracy",
        "intrinsic_norms",
        "layer_norms",
        "input_gradient",
        "bound_tightness",
    ],
}


def of_kind(catalog: Catalog, kind: str) -> list[Entry]:
    return [entry for entry in catalog["entries"] if entry["kind"] == kind]


def find(catalog: Catalog, kind: str, name: str | None) -> Entry | None:
    return next((entry for entry in of_kind(catalog, kind) if entry["name"] == name), None)


def titles(catalog: Catalog | None, kind: str) -> dict[str, str]:
    """The titles of a kind's entries by name; none without a catalogue."""
    return {entry["name"]: entry["title"] for entry in of_kind(catalog, kind)} if catalog else {}


def parameters(entry: Entry | None) -> dict[str, dict[str, Any]]:
    """The JSON schema of each parameter of an entry."""
    return dict(entry["schema"].get("properties", {})) if entry else {}


def spec_from(catalog: Catalog, values: Values) -> dict[str, Any]:
    """The train spec that the controls say; what is left empty is left to its default."""
    spec: dict[str, Any] = {
        slot: _choice(catalog, kind, values.get(slot), slot, values)
        for slot, kind in SINGLE.items()
    }
    for slot in LISTS:
        spec[slot] = choices(catalog, slot, values)
    return spec | _read(catalog, RUN, "", values)


def choices(catalog: Catalog, slot: str, values: Values) -> list[dict[str, Any]]:
    """The entries that a slot of many names, with their parameters."""
    names = values.get(slot) or []
    return [_choice(catalog, LISTS[slot], name, f"{slot}.{name}", values) for name in names]


def _choice(
    catalog: Catalog, kind: str, name: str | None, path: str, values: Values
) -> dict[str, Any]:
    found = parameters(find(catalog, kind, name))
    return {"name": name or "", **_read(catalog, found, f"{path}.", values)}


def _read(
    catalog: Catalog, schemas: Mapping[str, dict[str, Any]], prefix: str, values: Values
) -> dict[str, Any]:
    """The parameters that have a value, in the schema's types."""
    found = {}
    for name, schema in schemas.items():
        path, raw = f"{prefix}{name}", values.get(f"{prefix}{name}")
        if raw is None or raw == "":
            continue
        if "choice" in schema:
            found[name] = _choice(catalog, schema["choice"], raw, path, values)
        else:
            found[name] = parsed(schema, raw)
    return found


def parsed(schema: Mapping[str, Any], raw: Any) -> Any:
    """A control's value as JSON; what cannot be read stays as it is, for the API to refuse."""
    if schema.get("type") == "array":
        parts = raw.replace(";", ",").split(",") if isinstance(raw, str) else list(raw)
        kept = [part for part in parts if str(part).strip()]
        return [parsed(schema.get("items", {}), part) for part in kept]
    if "enum" in schema:
        return next((value for value in schema["enum"] if text(value) == str(raw)), raw)
    if not isinstance(raw, str):
        return raw
    written = raw.strip().replace("−", "-")
    for read in _readers(schema):
        try:
            return read(written)
        except ValueError:
            continue
    return written


def _readers(schema: Mapping[str, Any]) -> Sequence[Callable[[str], Any]]:
    types = {schema.get("type")} | {part.get("type") for part in schema.get("anyOf", [])}
    if "integer" in types:
        return (int, float)
    return (float,) if "number" in types else ()


def warnings(catalog: Catalog, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(path, sentence) of every value at or above its schema's `warn_from`."""
    for slot, kind in {**SINGLE, **LISTS}.items():
        for choice in spec[slot] if slot in LISTS else [spec[slot]]:
            base = f"{slot}.{choice['name']}" if slot in LISTS else slot
            for name, schema in parameters(find(catalog, kind, choice["name"])).items():
                value, limit = choice.get(name), schema.get("warn_from")
                if limit is not None and isinstance(value, int | float) and value >= limit:
                    yield (
                        f"{base}.{name}",
                        f"{label(name, schema)} of {number(value)}: from {number(limit)} on, "
                        "training is known to suffer.",
                    )


def control_path(spec: Mapping[str, Any], field: str) -> str:
    """Where a problem document's field is in the form: spec.methods.1.x → methods.weissi.x."""
    parts = field.removeprefix("spec.").split(".")
    if parts[0] in LISTS and len(parts) > 1 and parts[1].isdigit():
        chosen_here = spec.get(parts[0]) or []
        if int(parts[1]) < len(chosen_here):
            parts[1] = str(chosen_here[int(parts[1])].get("name"))
    return ".".join(parts)


def label(name: str, schema: Mapping[str, Any]) -> str:
    """The parameter's name as people read it, with its unit: the title that its schema was given,
    else its words, symbols as symbols."""
    title = str(schema.get("title") or "")
    unit = f" ({schema['unit']})" if schema.get("unit") else ""
    given = title and title != name.replace("_", " ").title()
    return (title if given else _read_aloud(name)) + unit


SYMBOLS = {
    "eps": "ε",
    "rho": "ρ",
    "eta": "η",
    "beta": "β",
    "beta1": "β₁",
    "beta2": "β₂",
    "gamma": "γ",
    "delta": "δ",
    "sigma": "σ",
    "alpha": "α",
    "tau": "τ",
    "mu": "μ",
    "lr": "learning rate",
    "wd": "weight decay",
    "log2": "log₂",
}


def _read_aloud(name: str) -> str:
    """decay_at → Decay at, lr → Learning rate, rho → ρ, p → p."""
    first, *rest = [SYMBOLS.get(word, word) for word in name.split("_")]
    symbol = len(first) == 1 or (name.split("_")[0] in SYMBOLS and " " not in first)
    return " ".join([first if symbol else first[:1].upper() + first[1:], *rest])


def text(value: Any) -> str:
    """A value as a control shows it."""
    if isinstance(value, list | tuple):
        return ", ".join(text(part) for part in value)
    if isinstance(value, Mapping):
        rest = [f"{key} {text(part)}" for key, part in value.items() if key != "name"]
        return ", ".join([str(value.get("name", "")), *rest])
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    return "" if value is None else str(value)


def placed(
    spec: Mapping[str, Any], errors: Sequence[FieldError], paths: Sequence[str]
) -> tuple[dict[str, str], list[str]]:
    """Messages by control, and those that no control has; `model.hidden.1` belongs to
    `model.hidden`."""
    found: dict[str, str] = {}
    rest = []
    for error in errors:
        at = control_path(spec, error["field"])
        while at and at not in paths:
            at = at.rpartition(".")[0]
        if at:
            found[at] = f"{found[at]}; {error['message']}" if at in found else error["message"]
        else:
            rest.append(f"{error['field']}: {error['message']}")
    return found, rest


def defaults(catalog: Catalog) -> dict[str, Any]:
    """Where a fresh form starts: the defaults that the catalogue has, else its first entries."""
    spec: dict[str, Any] = {}
    for slot, kind in SINGLE.items():
        names = [entry["name"] for entry in of_kind(catalog, kind)]
        wanted = DEFAULTS[slot]
        spec[slot] = {"name": wanted if wanted in names else (names or [""])[0]}
    for slot, kind in LISTS.items():
        spec[slot] = [{"name": name} for name in DEFAULTS[slot] if find(catalog, kind, name)]
    return spec


def kind_at(catalog: Catalog, path: str) -> str:
    """The kind that the control at `path` chooses from: a slot's, or a nested choice's."""
    if path in SINGLE:
        return SINGLE[path]
    parts = path.split(".")
    entries = [entry for entry in catalog["entries"] if entry["name"] in parts]
    for entry in entries:
        schema = parameters(entry).get(parts[-1], {})
        if "choice" in schema:
            return str(schema["choice"])
    raise KeyError(path)


def value_at(spec: Mapping[str, Any], path: str) -> Any:
    """What the spec holds at a control's path; None where it holds nothing."""
    at: Any = spec
    for part in path.split("."):
        if isinstance(at, list):
            at = next((item for item in at if item.get("name") == part), None)
        else:
            at = at.get(part) if isinstance(at, Mapping) else None
    return at
