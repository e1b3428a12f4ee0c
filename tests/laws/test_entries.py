"""What every entry of the catalogue must bring: forms, estimates and readers trust it."""

from __future__ import annotations

import ast
import contextlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch.utils.flop_counter import FlopCounterMode

from worker.contract import plan
from worker.contract.catalog import PATH, Catalog, attack_spec_model, choice_model, train_spec_model
from worker.contract.combine import NEEDS
from worker.contract.presets import presets
from worker.lab.core.dataset import Dataset
from worker.lab.core.errors import LabError
from worker.lab.core.model import Model
from worker.lab.core.registry import FOLDERS, Spec, catalog, entries
from worker.lab.core.task import Split, Task

EVERY = [cls for kind in FOLDERS for cls in entries(kind).values()]
FULL = catalog(presets())
NAMED = [f"{cls.kind}-{cls.name()}" for cls in EVERY]


@pytest.mark.parametrize("cls", EVERY, ids=NAMED)
def test_what_it_needs_and_excludes_exists(cls: type[Spec]) -> None:
    assert set(cls.needs) <= set(NEEDS)
    for other, reason in cls.excludes.items():
        kind, _, name = other.rpartition("/")
        assert name in entries(kind or cls.kind), other
        assert len(reason) > 10


def parameters() -> list[tuple[type[Spec], str, dict[str, Any]]]:
    return [
        (cls, name, schema)
        for cls in EVERY
        for name, schema in cls.entry().schema_.get("properties", {}).items()
    ]


def test_no_list_is_endless() -> None:
    """A job's spec is kept, and shown in every listing."""
    lists = [(*where, schema) for *where, schema in parameters() if schema.get("type") == "array"]
    assert lists
    assert [where for *where, schema in lists if "maxItems" not in schema] == []


@pytest.mark.parametrize("cls", EVERY, ids=NAMED)
def test_a_card_can_be_read(cls: type[Spec]) -> None:
    entry = cls.entry()
    assert entry.title != entry.name
    assert 10 < len(entry.summary) < 100
    assert entry.summary.endswith(".")
    assert len(entry.help) > 40
    assert inspect.getfile(cls).endswith(f"/{FOLDERS[cls.kind]}/{entry.name}.py")
    for name, schema in entry.schema_.get("properties", {}).items():
        assert schema.get("description"), name


@pytest.mark.parametrize("cls", EVERY, ids=NAMED)
def test_an_idea_is_one_short_file_that_imports_no_neighbour(cls: type[Spec]) -> None:
    text = Path(inspect.getfile(cls)).read_text()
    assert text.count("\n") < 120
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not str(node.module).startswith(f"worker.lab.{FOLDERS[cls.kind]}")


@pytest.mark.parametrize("cls", EVERY, ids=NAMED)
def test_it_can_be_asked_for_by_name_alone(cls: type[Spec]) -> None:
    assert isinstance(cls.of({"name": cls.name()}), cls)
    rebuilt = TypeAdapter(choice_model(FULL, cls.kind)).validate_python({"name": cls.name()})
    assert rebuilt.model_dump(exclude={"name"}) == cls().model_dump()


@pytest.mark.parametrize(
    ("cls", "name", "schema"), parameters(), ids=lambda v: getattr(v, "__name__", str(v))[:20]
)
def test_the_rebuilt_parameter_accepts_and_refuses_the_same(
    cls: type[Spec], name: str, schema: dict[str, Any]
) -> None:
    adapter = TypeAdapter(choice_model(FULL, cls.kind))
    for value in candidates(schema):
        both = [
            accepts(lambda v=value: cls.model_validate({name: v})),
            accepts(lambda v=value: adapter.validate_python({"name": cls.name(), name: v})),
        ]
        assert both[0] == both[1], (name, value, both)


def candidates(schema: dict[str, Any]) -> list[Any]:
    """Values at, just inside and just outside every bound, and of other kinds."""
    if schema.get("type") == "array":
        items = [[v] for v in candidates(schema["items"])]
        return [*items, [], schema["default"] * 40, "text"]
    if "enum" in schema:
        return [*schema["enum"], "something else", 1.5]
    edges = [schema[key] for key in schema if "inimum" in key or "aximum" in key]
    step = 1 if schema.get("type") == "integer" else 1e-6
    near = [edge + shift for edge in edges for shift in (-step, 0, step)]
    return [*near, schema.get("default", 1), float("nan"), float("inf"), "text", None, -1e9]


def accepts(attempt: Any) -> bool:
    try:
        attempt()
    except ValidationError:
        return False
    return True


def test_the_committed_catalogue_is_what_the_lab_offers() -> None:
    assert Catalog.model_validate_json(PATH.read_bytes()) == FULL, "run `make catalog`"


def test_the_hash_changes_when_an_entry_does() -> None:
    changed = FULL.entries[0].model_copy(update={"summary": "another"})
    assert Catalog.of([changed, *FULL.entries[1:]]).hash != FULL.hash
    assert Catalog.of(reversed(FULL.entries)).hash == FULL.hash


@pytest.mark.parametrize("preset", FULL.of_kind("preset"), ids=lambda entry: entry.name)
def test_every_job_of_a_preset_can_be_asked_for(preset: Any) -> None:
    models = {"train": train_spec_model(FULL), "attack": attack_spec_model(FULL)}
    assert preset.facts["jobs"]
    for part in ("claim", "expected", "cost"):
        assert len(preset.facts[part]) > 10
    for job in preset.facts["jobs"]:
        assert job["name"]
        models[job["kind"]].model_validate(job["spec"])


def blank(data: type[Dataset]) -> Task:
    split = Split(torch.zeros(2, *data.shape), torch.zeros(2, dtype=torch.long))
    ones = (1.0,) * data.shape[0]
    return Task(data.name(), split, split, data.classes, data.layout, ones, ones)


def cases() -> list[tuple[type[Dataset], type[Model]]]:
    """Every data set with every model that fits it."""
    fits = []
    for data in entries("dataset").values():
        for model in entries("model").values():
            assert issubclass(data, Dataset)
            assert issubclass(model, Model)
            with contextlib.suppress(LabError):
                model().layers_for(blank(data))
                fits.append((data, model))
    return fits


def test_every_model_fits_photographs_and_some_model_every_data_set() -> None:
    photographs = {model for data, model in cases() if data.name() == "cifar10"}
    assert photographs == set(entries("model").values())
    assert {data for data, _ in cases()} == set(entries("dataset").values())


@pytest.mark.parametrize(("data", "model"), cases(), ids=lambda cls: cls.name())
def test_an_estimate_from_the_catalogue_is_torchs_own_count(
    data: type[Dataset], model: type[Model]
) -> None:
    entry, facts = model.entry(), data.facts()
    values = {**model().model_dump(), "classes": len(facts["classes"])}
    layers = plan.resolve(plan.parse(entry.facts["plan"]), values)
    shape = tuple(facts["shape"])
    cost = plan.cost(layers, shape)
    with torch.device("meta"):
        network = model().build(blank(data)).eval()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(torch.zeros(1, *shape))
    assert cost.parameters == sum(weight.numel() for weight in network.parameters())
    assert cost.macs * 2 == counter.get_total_flops()
