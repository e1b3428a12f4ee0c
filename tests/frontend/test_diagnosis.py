"""A diagnose job's page: whose each reading is, what shifts of scale do to it, how it is shown."""

from __future__ import annotations

from typing import Any

import pytest

from frontend.api import Catalog
from frontend.views import diagnosis, head, ids
from frontend.views.curves import Told
from tests.frontend.test_job_views import found, job, parts, scalar, text

NAMES = ["accuracy", "layer_norms", "sharpness", "certified_accuracy", "landscape"]
SOURCE = "sourcesource"


def diagnose(**changes: Any) -> Any:
    spec = {"source": SOURCE, "diagnostics": [{"name": name} for name in NAMES], "seed": 3}
    info = {"diagnostics": NAMES, "skipped": ["decision_regions"]}
    progress = {"step": 2, "steps": 5, "epoch": 0.4, "epochs": 1.0, "eta_s": None}
    return job(kind="diagnose", spec=spec, info=info, progress=progress, **changes)


def shaped(name: str, step: int, shape: str, **value: Any) -> Any:
    return {**scalar(name, step, None), "shape": shape, "value": value}


def curve(name: str, step: int, **more: Any) -> Any:
    labels = {"x_label": "eps", "y_label": "certified accuracy"}
    return shaped(name, step, "curve", **labels, x=[0, 1], y=[1, 0.5], **more)


@pytest.fixture
def shown(catalog: Catalog) -> list[Any]:
    items = [
        scalar("test/accuracy", 0, 0.9),
        scalar("norm/layer/layer2", 1, 4.0),
        scalar("norm/layer/layer10", 1, 7.25),
        scalar("diagnostic/sharpness/sam", 2, 0.5),
        scalar("diagnostic/sharpness/asam", 2, 0.25),
        scalar("progress", 3, 3.0),
        curve("diagnostic/certified_accuracy/weights/I", 3),
        curve("diagnostic/certified_accuracy/weights/P", 3),
        shaped("a/table", 4, "table", columns={"layer": ["layer1"], "share": [0.5], "ok": [True]}),
    ]
    return diagnosis.diagnosis(Told(diagnose(), items, catalog=catalog), "light")


def test_readings_stand_under_the_diagnostic_of_their_step(catalog: Catalog) -> None:
    told = Told(diagnose(), [scalar("test/accuracy", 0, 0.9), scalar("norm/x", 1, 1.0)])
    told = Told(told.job, told.items, catalog=catalog)
    assert [(one.title, list(one.readings)) for one in diagnosis.found(told)][:2] == [
        ("Accuracy", ["test/accuracy"]),
        ("Layer norms", ["norm/x"]),
    ]


def test_a_card_says_on_what_its_numbers_were_taken(shown: list[Any]) -> None:
    assert "Up to 1\N{NO-BREAK SPACE}000 training examples that the loss is taken over." in text(
        shown
    )


def test_every_reading_says_what_shifts_of_scale_do_to_it(shown: list[Any]) -> None:
    rows = [text(part) for part in parts(shown) if type(part).__name__ == "Tr"]
    assert "test accuracy0.9000invariant" in rows
    assert "SAM’s step (nats)0.5000moves" in rows
    assert "ASAM’s step (nats)0.2500invariant" in rows, "unmoved, though its diagnostic moves"


def test_layers_are_rows_in_their_order(shown: list[Any]) -> None:
    rows = [text(part) for part in parts(shown) if type(part).__name__ == "Tr"]
    assert rows.index("24.000") + 1 == rows.index("107.250")


def test_curves_of_one_kind_share_a_plot(shown: list[Any]) -> None:
    figure = found(shown, ids.plot("diagnostic-certified-accuracy-weights")).figure
    assert [trace.name for trace in figure.data if trace.name] == [
        "by intervals",
        "in closed form",
    ]


def test_a_table_is_a_table_that_the_live_script_knows(shown: list[Any]) -> None:
    (place,) = [p for p in parts(shown) if getattr(p, "data-measurement", "") == "a/table"]
    assert text(place).endswith("layershareoklayer 10.5000yes")


def test_what_does_not_apply_is_told(shown: list[Any]) -> None:
    assert "cannot have it: Decision regions." in text(shown)


def test_a_job_without_readings_says_so(catalog: Catalog) -> None:
    early = diagnosis.diagnosis(Told(diagnose(), [], catalog=catalog), "light")
    assert "come soon" in text(early)
    late = diagnosis.diagnosis(Told(diagnose(state="cancelled"), [], catalog=catalog), "light")
    assert "no readings" in text(late)


def test_its_head_counts_diagnostics_and_leads_to_the_network() -> None:
    shown = head.head(diagnose())
    assert "5 diagnostics · seed 3" in text(shown)
    assert text(found(shown, ids.JOB_PROGRESS)).startswith("2 of 5 diagnostics")
    links = [part.href for part in parts(shown) if getattr(part, "href", None)]
    assert f"/jobs/{SOURCE}" in links
    assert found(shown, ids.JOB_DIAGNOSE).href == "/lab/diagnose?job=abc"
    assert (
        found(head.head(job(state="succeeded")), ids.JOB_DIAGNOSE).href == "/lab/diagnose?job=abc"
    )
