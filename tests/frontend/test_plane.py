"""What the labs take from jobs that ran before, and the landscape's cards."""

from __future__ import annotations

from typing import Any

from frontend.api import Catalog
from frontend.views import ids, plane, saved
from tests.frontend.test_job_views import found, job, parts, text


def ran(id: str, state: str, **choice: Any) -> Any:
    spec = {"source": "abc", "diagnostics": [{"name": "landscape", "over": "weights", **choice}]}
    return job(id=id, kind="diagnose", state=state, spec=spec)


def newest(jobs: list[Any], name: str, **wanted: Any) -> str | None:
    found = saved.matching(jobs, name, saved.having(**wanted))
    return found["id"] if found else None


def test_a_finished_result_is_preferred_to_one_on_its_way() -> None:
    jobs = [ran("new", "running"), ran("old", "succeeded"), ran("older", "succeeded")]
    assert newest(jobs, "landscape", over="weights") == "old"
    assert newest(jobs[:1], "landscape") == "new"


def test_only_what_was_asked_for_matches() -> None:
    jobs = [ran("failed", "failed"), ran("far", "succeeded", reach=2.0)]
    jobs.append(ran("in", "succeeded", over="inputs"))
    assert newest(jobs, "landscape", over="weights", reach=1.0) is None
    assert newest(jobs, "landscape", over="inputs") == "in"
    assert newest(jobs, "widths") is None


def test_a_line_says_where_the_numbers_come_from() -> None:
    one = saved.Saved(ran("new", "running"), {}, {"a": 1.0}, "1.4")
    shown = saved.line("mine", one, "missing")
    assert getattr(shown, "data-run") == "new"
    assert text(shown).startswith("mine running ")
    assert text(saved.line("mine", None, "not there")) == "mine not there"
    assert one.for_script()["after"] == "1.4"


def test_every_network_has_a_surface_and_a_contour() -> None:
    read = saved.Saved(ran("done", "succeeded"), {}, {}, "1.4")
    models = [(job(id="a", name="one"), read), (job(id="b", name="two"), read)]
    shown = plane.cards("dark", models, "inputs")
    titles = [text(part) for part in parts(shown) if type(part).__name__ == "H2"]
    names = ["one: surface", "two: surface", "one: contour", "two: contour"]
    assert list(dict.fromkeys(titles)) == names, "each on its card, then on its definition"
    assert found(shown, ids.plot("plane-surface1")).figure.layout.scene.zaxis.title.text
    assert found(shown, ids.plot("plane-contour0")).figure.layout.yaxis.scaleanchor == "x"


def test_a_network_without_a_picture_says_how_to_get_one() -> None:
    shown = plane.cards("light", [(job(id="a", name="one"), None)], "weights")
    assert "Press Compute above" in text(shown)
    assert not [part for part in parts(shown) if type(part).__name__ == "Graph"]


def test_the_fields_start_as_the_catalogue_says(catalog: Catalog) -> None:
    assert plane.defaults(catalog) == {"reach": 1.0, "refinements": 2, "examples": 500}


def test_a_second_network_that_is_not_there_is_not_chosen() -> None:
    peers = [job(id="a", name="one")]
    assert found(plane.controls(peers, "weights", "a", True), plane.WITH).value == "a"
    assert found(plane.controls(peers, "weights", "gone", True), plane.WITH).value is None
