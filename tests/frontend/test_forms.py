"""Every type of schema has its control, and what the controls hold is the spec again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend import forms, ids, launching, links, specs
from frontend.api import Catalog
from tests.frontend.conftest import by_id, components

NOTHING: Catalog = {"hash": "", "entries": []}


def values_of(layout: Any) -> dict[str, Any]:
    """What the controls of a layout hold, by path, as a callback would be handed it."""
    found = {}
    for part in components(layout):
        id = getattr(part, "id", None)
        if isinstance(id, dict) and id["type"] in ("control", "flag"):
            found[id["path"]] = getattr(part, "value" if id["type"] == "control" else "checked")
    return found


@pytest.mark.parametrize(
    ("schema", "value", "control", "shown"),
    [
        ({"type": "integer", "minimum": 1}, 20, "NumberInput", 20),
        ({"type": "number", "maximum": 1}, 1e-5, "TextInput", "1e-05"),
        ({"type": "boolean"}, True, "Switch", True),
        ({"enum": ["log", "product"]}, "log", "Select", "log"),
        ({"enum": [1, 2]}, 2, "Select", "2"),
        ({"type": "array", "items": {"type": "integer"}}, [128, 64], "TextInput", "128, 64"),
        ({"type": "array", "items": {"type": "number"}}, [0.5, 0.75], "TextInput", "0.5, 0.75"),
        ({"anyOf": [{"type": "integer"}, {"const": "auto"}]}, "auto", "TextInput", "auto"),
        ({"anyOf": [{"type": "integer"}, {"const": "auto"}]}, 7, "TextInput", "7"),
    ],
)
def test_each_type_has_its_control_and_comes_back(
    schema: dict[str, Any], value: Any, control: str, shown: Any
) -> None:
    made = forms.control(NOTHING, "x.y", "y", schema, value)
    assert type(made).__name__ == control
    held = values_of(made)
    assert held == {"x.y": shown}
    back = specs.parsed(schema, held["x.y"])
    assert (back, type(back)) == (value, type(value))


def test_a_nested_choice_is_a_select_with_parameters() -> None:
    pgd = {
        "kind": "attack", "name": "pgd", "title": "PGD", "summary": "", "help": "", "paper": "",
        "invariant": None, "facts": {},
        "schema": {"properties": {"steps": {"type": "integer", "default": 20}}},
    }  # fmt: skip
    method = {**pgd, "kind": "method", "name": "adversarial", "title": "Adversarial"}
    method["schema"] = {"properties": {"attack": {"choice": "attack"}}}
    catalog: Any = {"hash": "", "entries": [pgd, method]}
    given = {"name": "adversarial", "attack": {"name": "pgd", "steps": 7}}
    layout = forms.chosen(catalog, "methods.adversarial", "method", given)
    values = {"methods": ["adversarial"], **values_of(layout)}
    assert values["methods.adversarial.attack"] == "pgd"
    assert specs.spec_from(catalog, values)["methods"] == [given]
    assert specs.kind_at(catalog, "methods.adversarial.attack") == "attack"


def test_a_nested_choice_offers_only_what_the_schema_wants() -> None:
    named = {"kind": "attack", "summary": "", "schema": {}}
    entries = [
        {**named, "name": name, "title": name, "facts": {"moves": moves, "budgets": [{}]}}
        for name, moves in (("pgd", "inputs"), ("bit_flip", "weights"))
    ]
    schema = {"choice": "attack", "where": {"moves": "inputs"}}
    catalog: Any = {"hash": "", "entries": entries}
    made = forms.control(catalog, "methods.a.attack", "attack", schema, {"name": "pgd"})
    select = next(part for part in components(made) if type(part).__name__ == "Select")
    assert [option["value"] for option in select.data] == ["pgd"]


def test_the_whole_form_gives_its_spec_back(catalog: Catalog) -> None:
    asked = {
        "dataset": {"name": "moons", "noise": 0.25},
        "model": {"name": "mlp", "hidden": [32, 16], "bias": False},
        "methods": [{"name": "cross_entropy"}, {"name": "weissi", "strength": 0.001}],
        "epochs": 3,
        "log_every": 5,
    }
    spec = specs.spec_from(catalog, values_of(launching.form(catalog, {"spec": asked})))
    assert spec["dataset"]["noise"] == 0.25
    model = {"name": "mlp", "hidden": [32, 16], "bias": False}
    assert spec["model"].items() >= model.items()
    assert [method["name"] for method in spec["methods"]] == ["cross_entropy", "weissi"]
    assert spec["methods"][1]["strength"] == 0.001
    assert (spec["epochs"], spec["log_every"], spec["batch_size"]) == (3, 5, 64)
    again = specs.spec_from(catalog, values_of(launching.form(catalog, {"spec": spec})))
    assert again == spec


def test_every_entry_of_the_catalogue_has_a_form(catalog: Catalog) -> None:
    for entry in catalog["entries"]:
        layout = forms.chosen(catalog, "at", entry["kind"], {"name": entry["name"]})
        held = values_of(layout)
        assert len(held) >= len(specs.parameters(entry)), entry["name"]
        for name, schema in specs.parameters(entry).items():
            if "default" in schema and "choice" not in schema:
                assert specs.parsed(schema, held[f"at.{name}"]) == schema["default"]


def test_what_cannot_be_read_goes_to_the_api_as_it_is() -> None:
    assert specs.parsed({"type": "number"}, "lots") == "lots"
    assert specs.parsed({"type": "array", "items": {"type": "integer"}}, "1, two") == [1, "two"]
    assert specs.parsed({"type": "number"}, "−1e−3") == -0.001


def test_an_empty_control_leaves_the_default(catalog: Catalog) -> None:
    spec = specs.spec_from(catalog, {"model": "mlp", "model.hidden": "", "epochs": ""})
    assert spec["model"] == {"name": "mlp"}
    assert "epochs" not in spec


def test_errors_stand_at_their_fields(catalog: Catalog) -> None:
    spec = {"methods": [{"name": "cross_entropy"}, {"name": "weissi"}]}
    errors: Any = [
        {"field": "spec.methods.1.strength", "message": "too small"},
        {"field": "spec.model.hidden.1", "message": "not whole"},
        {"field": "name", "message": "too long"},
    ]
    paths = ["methods.weissi.strength", "model", "model.hidden"]
    found, rest = specs.placed(spec, errors, paths)
    assert found == {"methods.weissi.strength": "too small", "model.hidden": "not whole"}
    assert rest == ["name: too long"]


def test_values_that_are_known_trouble_are_told(catalog: Catalog) -> None:
    spec = specs.defaults(catalog)
    assert list(specs.warnings(catalog, spec)) == []
    spec["methods"] = [{"name": "weissi", "strength": 0.5}]
    [(path, sentence)] = specs.warnings(catalog, spec)
    assert path == "methods.weissi.strength"
    assert "0.5" in sentence


def test_a_choice_keeps_what_was_set_for_the_same_entry(catalog: Catalog) -> None:
    spec = {"model": {"name": "mlp", "hidden": [7]}}
    kept = values_of(launching.chosen_at(catalog, "model", "mlp", spec))
    other = values_of(launching.chosen_at(catalog, "model", "cnn", spec))
    assert kept["model.hidden"] == "7"
    assert other["model.hidden"] != "7"


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0}, "from 0 (not itself)"),
        ({"type": "boolean"}, "yes or no"),
        ({"enum": ["log", "product"]}, "log, product"),
        ({"type": "array", "items": {"type": "integer", "minimum": 1}}, "each from 1"),
    ],
)
def test_ranges_in_words(schema: dict[str, Any], words: str) -> None:
    assert forms.allowed(schema) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_a_request_survives_the_address(request: dict[str, Any]) -> None:
    assert links.unpacked(links.packed(request)) == request


@pytest.mark.parametrize("text", ["", "x", "!!!!", "eJw", links.packed({})[:-2] + "zz", "é"])
def test_a_damaged_link_is_no_request(text: str) -> None:
    assert links.unpacked(text) is None


def test_curl_quotes_and_keeps_the_token_out() -> None:
    request = {"kind": "train", "name": "it's", "spec": {"epochs": 1, "seed": 0}}
    text = links.curl(request, "http://localhost:8050")
    assert "$NORMSCOPE_TOKEN" in text
    assert "it'\\''s" in text
    assert '"epochs": 1,\n' in text


def test_a_preset_offers_each_of_its_jobs() -> None:
    jobs = [{"kind": "train", "name": name, "spec": {}} for name in ("one", "two")]
    facts = {"jobs": jobs, "claim": "c", "expected": "e", "cost": 12}
    entry = {"kind": "preset", "name": "p", "title": "P", "summary": "s", "facts": facts}
    layout = launching.presets({"hash": "", "entries": [entry]}, "p/1")  # type: ignore[typeddict-item]
    assert by_id(layout, ids.preset("p")).children[2].children == "about 12 s"
    assert getattr(by_id(layout, ids.preset("p/1")), "aria-pressed") == "true"
    assert by_id(layout, ids.preset_launch("p")).children == "Launch all 2 jobs"


@pytest.mark.parametrize(
    ("name", "schema", "said"),
    [
        ("p", {"title": "P"}, "p"),
        ("lr", {"title": "Lr"}, "Learning rate"),
        ("rho_adaptive", {"title": "Rho Adaptive"}, "ρ adaptive"),
        ("beta1", {"title": "Beta1"}, "β₁"),
        ("weight_decay", {"title": "Weight Decay"}, "Weight decay"),
        ("decay_at", {"title": "Drops at"}, "Drops at"),
        ("eps", {"title": "Eps", "unit": "inputs"}, "ε (inputs)"),
        ("log_every", {"title": "Measure every", "unit": "steps"}, "Measure every (steps)"),
    ],
)
def test_parameters_are_named_as_a_scientist_reads_them(
    name: str, schema: dict[str, Any], said: str
) -> None:
    assert specs.label(name, schema) == said


def test_parameters_stand_in_the_order_in_which_their_class_declares_them(
    catalog: Catalog,
) -> None:
    assert list(specs.parameters(specs.find(catalog, "method", "lp"))) == ["strength", "p", "q"]


@pytest.mark.parametrize(
    ("devices", "asked", "offered"),
    [
        (["cpu"], None, ["auto", "cpu"]),
        (["cpu", "cuda (NVIDIA H200)"], None, ["auto", "cpu", "cuda"]),
        (["cpu"], "cuda", ["auto", "cpu", "cuda"]),
        (None, None, ["auto", "cpu", "cuda"]),
    ],
)
def test_only_devices_that_some_worker_has_are_offered(
    catalog: Catalog, devices: list[str] | None, asked: str | None, offered: list[str]
) -> None:
    request = {"spec": {"device": asked}} if asked else {}
    select = by_id(launching.form(catalog, request, devices), ids.control("device"))
    assert [option["value"] for option in select.data] == offered
    says_why = devices is not None and "cuda" not in str(devices)
    assert ("no worker that is alive has CUDA" in str(select.description)) is says_why
