"""A parameter that is a choice of another entry, as requests are checked."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from worker.contract.catalog import Catalog, Entry, choice_model


def entry(kind: Any, name: str, properties: dict[str, Any], **facts: Any) -> Entry:
    schema = {"properties": properties}
    return Entry(kind=kind, name=name, title=name, summary="", help="", schema=schema, facts=facts)


STEPS = {"steps": {"type": "integer", "minimum": 1, "default": 3}}
ATTACK = {"choice": "attack", "where": {"moves": "inputs"}, "default": {"name": "near"}}
CATALOG = Catalog.of(
    [
        entry("attack", "near", STEPS, moves="inputs"),
        entry("attack", "far", STEPS, moves="inputs"),
        entry("attack", "deep", STEPS, moves="weights"),
        entry("method", "robust", {"attack": ATTACK}),
    ]
)
METHOD: TypeAdapter[Any] = TypeAdapter(choice_model(CATALOG, "method"))


def test_its_parameters_are_typed_and_filled_in() -> None:
    asked = METHOD.validate_python({"name": "robust"})
    assert asked.model_dump() == {"name": "robust", "attack": {"name": "near", "steps": 3}}
    asked = METHOD.validate_python({"name": "robust", "attack": {"name": "far", "steps": 9}})
    assert asked.attack.steps == 9


@pytest.mark.parametrize(
    "attack", [{"name": "deep"}, {"name": "near", "steps": 0}, {"name": "near", "x": 1}, "near"]
)
def test_what_no_wanted_entry_takes_is_refused(attack: Any) -> None:
    with pytest.raises(ValidationError) as error:
        METHOD.validate_python({"name": "robust", "attack": attack})
    assert error.value.errors()[0]["loc"][0] == "attack"
