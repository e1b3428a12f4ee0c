"""The lab of widths: what it asks for, what it can be compared with, where its numbers go."""

from __future__ import annotations

from typing import Any

from frontend.api import Catalog
from frontend.plots.theme import LIGHT
from frontend.views import ids, saved, widths
from tests.frontend.test_job_views import found, job, parts, text
from worker.contract.spec import DiagnoseSpec


def test_the_widths_go_from_the_smallest_to_the_whole_net() -> None:
    asked = widths.choice(8, None)
    assert asked["widths"] == [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]
    assert "ood" not in asked
    assert widths.choice(8, "mnist")["against"] == {"name": "mnist"}
    DiagnoseSpec.model_validate(widths.request("abc", 8, "mnist")["spec"])


def test_only_data_that_can_be_made_to_fit_is_offered(catalog: Catalog) -> None:
    names = {one["value"] for one in widths.others(catalog, job())}
    assert {"mnist", "fashion_mnist", "cifar10"} <= names
    assert not names & {"digits", "moons", "spirals"}
    points = job(spec={"dataset": {"name": "moons"}})
    assert {one["value"] for one in widths.others(catalog, points)} == {"moons_margin", "spirals"}


def test_a_network_that_was_not_trained_for_it_is_known() -> None:
    assert not widths.trained_for_it(job())
    assert widths.trained_for_it(job(spec={"methods": [{"name": "slimmable"}]}))


def test_every_number_has_its_place() -> None:
    shown = widths.slider()
    places = {getattr(part, "id", None) for part in parts(shown)}
    assert {f"widths-value-{name}" for name in widths.FIGURES} | {
        widths.SLIDER,
        widths.AT,
    } <= places
    cards = widths.plots(LIGHT)
    assert found(cards, ids.plot("widths-reliability")).figure.layout.xaxis.range == (-0.03, 1.05)


def test_the_fields_say_what_was_measured() -> None:
    choice: dict[str, Any] = {"widths": [k / 8 for k in range(1, 9)], "ood": True}
    choice["against"] = {"name": "mnist", "examples": 60000}
    one = saved.Saved(job(kind="diagnose"), choice, {}, "0")
    sets = [{"value": "mnist", "label": "MNIST"}]
    shown = widths.measuring(one, "mine", sets)
    assert found(shown, widths.STEPS).value == "8"
    assert found(shown, widths.AGAINST).value == "mnist"
    fresh = widths.measuring(None, "mine", sets)
    assert found(fresh, widths.STEPS).value == "16"
    assert "mine not measured" in text(fresh)
