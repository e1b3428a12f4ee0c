"""Entries of the catalogue: a class is an entry, its fields are parameters, its docstring the help.

A file in one of the lab's folders that subclasses Method, Attack, Diagnostic, Dataset, Model,
Optimizer or Probe is all it takes: the folder is scanned, the class registers under the name of
its file.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.contract.catalog import Catalog, Entry
from worker.contract.spec import Choice
from worker.lab.core.errors import LabError

FOLDERS = {
    "method": "methods",
    "attack": "attacks",
    "diagnostic": "diagnostics",
    "dataset": "datasets",
    "model": "models",
    "optimizer": "optimizers",
    "probe": "probes",
}
_ENTRIES: dict[tuple[str, str], type[Spec]] = {}


class Spec(BaseModel):
    """An immutable value that says what to do; what it needs to remember lives elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    invariant: ClassVar[bool | None] = None
    needs: ClassVar[tuple[str, ...]] = ()
    """What a model must have for this to make sense: names of `worker/contract/combine.py`."""
    excludes: ClassVar[dict[str, str]] = {}
    """What it cannot be combined with, by name ("kind/name" for another kind), and why."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if cls.__module__.split(".")[-2] in FOLDERS.values():
            _ENTRIES[cls.kind, cls.name()] = cls

    @classmethod
    def name(cls) -> str:
        """The entry's name everywhere: its file's."""
        return cls.__module__.rsplit(".", 1)[-1]

    @classmethod
    def facts(cls) -> dict[str, Any]:
        """What forms and estimates need to know beside the parameters."""
        return {}

    @classmethod
    def told(cls) -> dict[str, Any]:
        """All facts: its own, and what it can be combined with."""
        limits = {"needs": list(cls.needs), "excludes": cls.excludes}
        return {**cls.facts(), **{name: limit for name, limit in limits.items() if limit}}

    @classmethod
    def entry(cls) -> Entry:
        """The catalogue's card."""
        text = inspect.cleandoc(cls.__doc__ or "")
        summary, _, body = text.partition("\n")
        schema = cls.model_json_schema()
        return Entry(
            kind=cls.kind,
            name=cls.name(),
            title=cls.title or cls.name(),
            summary=summary,
            help=body.strip(),
            paper=cls.paper,
            invariant=cls.invariant,
            schema={key: schema[key] for key in ("properties", "required") if key in schema},
            facts=cls.told(),
        )

    @classmethod
    def of(cls, choice: Choice | Mapping[str, Any]) -> Self:
        """The entry of this kind that a choice names, with its parameters.

        Raises LabError(code="bad_spec") for an unknown name or a bad parameter.
        """
        choice = choice if isinstance(choice, Choice) else Choice.model_validate(choice)
        found = entries(cls.kind).get(choice.name)
        if found is None:
            known = ", ".join(sorted(entries(cls.kind)))
            raise LabError("bad_spec", f"no {cls.kind} is called {choice.name!r}; known: {known}")
        try:
            return found.model_validate(choice.params)  # type: ignore[return-value]
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise LabError("bad_spec", f"{choice.name}.{where}: {first['msg']}") from error


@cache
def _scan() -> None:
    for folder in FOLDERS.values():
        package = importlib.import_module(f"worker.lab.{folder}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")


def entries(kind: str) -> dict[str, type[Spec]]:
    """Every registered class of a kind, by name."""
    _scan()
    return {name: cls for (of, name), cls in sorted(_ENTRIES.items()) if of == kind}


def catalog(presets: list[Entry] | None = None) -> Catalog:
    """The catalogue of everything registered."""
    found = [cls.entry() for kind in FOLDERS for cls in entries(kind).values()]
    return Catalog.of([*found, *(presets or [])])
