"""The form that asks for a diagnosis: its order, its controls, the request that it makes."""

from __future__ import annotations

from typing import Any

from frontend import ids as launch_ids
from frontend import specs
from frontend.api import Catalog
from frontend.links import packed
from frontend.views import diagnoseform as forms
from frontend.views import diagnosepage, suiting
from tests.frontend.test_job_views import found, job, parts, text


def boxes(shown: Any) -> list[str]:
    return [part.value for part in parts(shown) if type(part).__name__ == "Checkbox"]


def test_studies_come_first_and_what_needs_a_step_is_left_out(catalog: Catalog) -> None:
    names = boxes(forms.form(catalog, forms.fresh(catalog), []))
    facts = {entry["name"]: entry["facts"] for entry in specs.of_kind(catalog, "diagnostic")}
    studies = [bool(facts[name].get("studies")) for name in names]
    assert studies == sorted(studies, reverse=True)
    assert {"landscape", "certified_accuracy"} <= set(names[: sum(studies)])
    assert set(facts) - set(names) == {"step_angle"}


def test_what_does_not_fit_the_data_says_what_it_is_for(catalog: Catalog) -> None:
    unfit = suiting.unsuited(catalog, "digits")
    assert unfit["feature_contamination"] == "it is for Structured features"
    assert {"decision_regions", "gradient_ratio", "starvation_responses"} < unfit.keys()
    assert "landscape" not in unfit
    assert set(suiting.unsuited(catalog, "moons")) == {"feature_contamination"}
    shown = forms.form(catalog, forms.fresh(catalog), [], unfit)
    held = {part.value: part for part in parts(shown) if type(part).__name__ == "Checkbox"}
    assert held["feature_contamination"].disabled
    assert "Structured features" in held["feature_contamination"].description
    assert not held["landscape"].disabled


def test_no_control_is_the_launch_forms_own(catalog: Catalog) -> None:
    shown = forms.params(catalog, [{"name": "widths"}, {"name": "landscape"}])
    kinds = {part.id["type"] for part in parts(shown) if isinstance(getattr(part, "id", 0), dict)}
    assert kinds == {"diagnose-control", "diagnose-flag", "diagnose-entry"}
    nested = forms.chosen(catalog, "diagnostics.widths.against", "mnist")
    others = [part.id for part in parts(nested) if isinstance(getattr(part, "id", 0), dict)]
    assert others, "a data set has parameters"
    assert all(one["type"].startswith("diagnose-") for one in others)


def test_the_form_holds_what_it_asked_for(catalog: Catalog) -> None:
    asked = [{"name": "landscape", "over": "inputs", "reach": 0.25, "refinements": 3}]
    shown = forms.params(catalog, asked)
    values: dict[str, Any] = {forms.NAMES: ["landscape"], forms.PEERS: [], forms.SEED: 4}
    for part in parts(shown):
        if isinstance(getattr(part, "id", 0), dict):
            values[part.id["path"]] = getattr(part, "value", None)
    made = forms.request(catalog, "abc", values)
    assert made["kind"] == "diagnose"
    assert made["spec"] == {
        "source": "abc",
        "diagnostics": [{**asked[0], "examples": 500}],
        "seed": 4,
    }


def test_a_name_says_what_of_which_network(catalog: Catalog) -> None:
    few = {forms.SLOT: [{"name": "landscape"}, {"name": "sharpness"}]}
    assert forms.name_of(job(), catalog, few) == "Loss landscape, Sharpness of WEISSI on digits"
    many = {
        forms.SLOT: [{"name": one} for one in boxes(forms.form(catalog, forms.fresh(catalog), []))]
    }
    assert "diagnostics of WEISSI" in forms.name_of(job(), catalog, many)


def test_an_untrained_network_cannot_be_diagnosed() -> None:
    assert found(forms.side(ready=False), forms.RUN).disabled
    assert not found(forms.side(ready=True), forms.RUN).disabled


def test_the_newest_diagnosis_is_shown_unless_another_is_asked_for(catalog: Catalog) -> None:
    asked_for = {"map": "landscape", "new": "sharpness", "old": "sharpness"}
    runs = [
        job(id=id, kind="diagnose", spec={"source": "abc", "diagnostics": [{"name": name}]})
        for id, name in asked_for.items()
    ]
    start = forms.fresh(catalog)

    def picked(run: str | None) -> Any:
        asked = {"run": run, "r": None}
        return found(diagnosepage.body(catalog, job(), start, [], runs, asked), diagnosepage.PICK)

    assert picked(None).value == "new"
    assert picked("old").value == "old"
    assert picked("of another network").value == "new"
    assert picked("map").value == "map", "what another lab shows is opened where it is asked for"
    groups = [one["group"] for one in picked(None).data]
    assert groups == ["Diagnoses", "Drawn in the lab Landscape"]


def test_a_damaged_link_starts_afresh() -> None:
    assert diagnosepage.shared("nonsense") == {}
    assert diagnosepage.shared(packed({"spec": {"diagnostics": [3]}})) == {}
    good = {"diagnostics": [{"name": "landscape"}]}
    assert diagnosepage.shared(packed({"spec": good})) == good


def test_ids_of_this_page_and_of_launch_differ() -> None:
    assert forms.control("x") != launch_ids.control("x")
    assert text(diagnosepage.wrong(["spec.peers: too many"])) == "peers: too many"
