"""The catalogue: what the lab offers, as data, and the request models rebuilt from it.

`catalog.json` is written by `make catalog` from the lab. Nothing here needs the lab, so the
backend validates every parameter of a request without importing torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, create_model

from worker.contract.spec import AttackSpec, DiagnoseSpec, TrainSpec

PATH = Path(__file__).with_name("catalog.json")

Kind = Literal["method", "attack", "diagnostic", "dataset", "model", "optimizer", "probe", "preset"]


class Entry(BaseModel):
    """One card of the catalogue."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    kind: Kind
    name: str
    title: str
    summary: str
    help: str
    paper: str = ""
    invariant: bool | None = Field(None, description="to scale shifts; null where it is no number")
    schema_: dict[str, Any] = Field({}, alias="schema", description="JSON schema of its parameters")
    facts: dict[str, Any] = Field({}, description="what a form or an estimate needs to know")


class Catalog(BaseModel):
    """Every entry, and a hash that changes when any of them does."""

    model_config = ConfigDict(frozen=True)

    hash: str
    entries: list[Entry]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Catalog:
        ordered = sorted(entries, key=lambda entry: (entry.kind, entry.name))
        text = json.dumps([entry.model_dump(by_alias=True) for entry in ordered], sort_keys=True)
        return cls(hash=hashlib.sha256(text.encode()).hexdigest()[:12], entries=ordered)

    def of_kind(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == kind]

    def find(self, kind: str, name: str) -> Entry:
        """The entry; KeyError where there is none."""
        for entry in self.entries:
            if (entry.kind, entry.name) == (kind, name):
                return entry
        raise KeyError(f"no {kind} is called {name!r}")


def load(path: Path = PATH) -> Catalog:
    return Catalog.model_validate_json(path.read_bytes())


class _Typed(BaseModel):
    """A choice whose parameters are known; what is not known is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "minItems": "min_length",
    "maxItems": "max_length",
}


def choice_model(catalog: Catalog, kind: str, where: Mapping[str, Any] | None = None) -> Any:
    """The discriminated union, by `name`, of every entry of a kind with its typed parameters;
    of those only whose facts are as `where` says."""
    wanted = (where or {}).items()
    models = [
        _entry_model(catalog, entry)
        for entry in catalog.of_kind(kind)
        if all(entry.facts.get(name) == value for name, value in wanted)
    ]
    if len(models) == 1:
        return models[0]
    return Annotated[reduce(or_, models), Field(discriminator="name")]


def _entry_model(catalog: Catalog, entry: Entry) -> Any:
    fields: dict[str, Any] = {"name": (Literal[entry.name], ...)}
    for name, schema in entry.schema_.get("properties", {}).items():
        described = Field(
            schema.get("default", ...),
            description=schema.get("description"),
            validate_default="choice" in schema,
            validation_alias=AliasChoices(name, *schema.get("aliases", ())),
        )
        fields[name] = (_annotation(catalog, schema), described)
    title = "".join(part.capitalize() for part in f"{entry.name}_{entry.kind}".split("_"))
    return create_model(title, __base__=_Typed, __doc__=entry.summary, **fields)


def _annotation(catalog: Catalog, schema: Mapping[str, Any]) -> Any:
    """The type of a parameter from its JSON schema: the few types that the lab allows."""
    bounds = {name: schema[key] for key, name in _BOUNDS.items() if key in schema}
    if "choice" in schema:
        return choice_model(catalog, schema["choice"], schema.get("where"))
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if "const" in schema:
        return Literal[schema["const"]]
    if schema["type"] == "array":
        return Annotated[_list_of(_annotation(catalog, schema["items"])), Field(**bounds)]
    plain = {"number": float, "integer": int, "boolean": bool}[schema["type"]]
    return Annotated[plain, Field(strict=True, **bounds)]


def train_spec_model(catalog: Catalog) -> type[TrainSpec]:
    """TrainSpec with every choice typed."""
    return create_model(
        "TrainSpec",
        __base__=TrainSpec,
        dataset=(choice_model(catalog, "dataset"), ...),
        model=(choice_model(catalog, "model"), ...),
        methods=_retyped("methods", _list_of(choice_model(catalog, "method"))),
        optimizer=_retyped("optimizer", choice_model(catalog, "optimizer")),
        diagnostics=_retyped("diagnostics", _list_of(choice_model(catalog, "diagnostic"))),
    )


def attack_spec_model(catalog: Catalog) -> type[AttackSpec]:
    """AttackSpec with every attack typed."""
    attacks = _list_of(choice_model(catalog, "attack"))
    info = AttackSpec.model_fields["attacks"]
    return create_model("AttackSpec", __base__=AttackSpec, attacks=(attacks, info))


def diagnose_spec_model(catalog: Catalog) -> type[DiagnoseSpec]:
    """DiagnoseSpec with every diagnostic typed."""
    diagnostics = _list_of(choice_model(catalog, "diagnostic"))
    info = DiagnoseSpec.model_fields["diagnostics"]
    return create_model("DiagnoseSpec", __base__=DiagnoseSpec, diagnostics=(diagnostics, info))


def _list_of(item: Any) -> Any:
    return GenericAlias(list, (item,))


def _retyped(field: str, annotation: Any) -> tuple[Any, Any]:
    """The field of TrainSpec under a narrower type, its default given in JSON and validated."""
    info = TrainSpec.model_fields[field]
    default = info.get_default()
    plain = (
        [choice.model_dump() for choice in default]
        if isinstance(default, list)
        else default.model_dump()
    )
    bounds = {
        name: getattr(meta, name)
        for meta in info.metadata
        for name in ("min_length", "max_length")
        if hasattr(meta, name)
    }
    return annotation, Field(plain, validate_default=True, description=info.description, **bounds)
