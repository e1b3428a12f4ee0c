"""The labs of saved results: diagnose, landscape, bounds, widths, on one small trained network."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

MEASURED = (
    "accuracy",
    "input_gradient",
    "layer_norms",
    "bound_tightness",
    "spectral_norms",
    "spectral_bound",
)
SIDES = """(card) => (document.querySelector(`#card-${card} .js-plotly-plot`)?.data || [])
    .filter((trace) => trace.z).map((trace) => trace.z.length)"""
NAMES = """(card) => (document.querySelector(`#card-${card} .js-plotly-plot`)?.data || [])
    .filter((trace) => (trace.y || []).length).map((trace) => trace.name)"""


@pytest.fixture(scope="module")
def network(explorer: Explorer) -> str:
    """A nested network of 8×8 digits, with its bounds measured while it trained."""
    spec = {
        "dataset": {"name": "digits", "examples": 400},
        "model": {"name": "mlp", "hidden": [16, 16]},
        "methods": [{"name": "cross_entropy"}, {"name": "nested_dropout"}],
        "diagnostics": [{"name": name} for name in MEASURED],
        "epochs": 6,
    }
    with explorer.client() as client:
        asked = {"kind": "train", "name": "small nested", "spec": spec}
        made = client.post("/jobs", json=asked).raise_for_status().json()
    assert explorer.wait_job(made["id"])["state"] == "succeeded"
    return str(made["id"])


def wait_all(explorer: Explorer) -> None:
    """Until every job has ended."""
    with explorer.client() as client:
        going = {"state": "queued,running"}
        until(lambda: not client.get("/jobs", params=going).json()["items"], 90, "a job runs on")


def settled(page: Page, script: str, card: str, wanted: Any, otherwise: str) -> None:
    until(lambda: page.evaluate(script, card) == wanted, 20, otherwise)


def test_diagnostics_are_chosen_run_and_read_on_one_page(
    page: Page, explorer: Explorer, network: str
) -> None:
    page.goto(f"{explorer.url}/jobs/{network}")
    page.locator("#job-diagnose").click()
    page.wait_for_url(re.compile(r"/lab/diagnose"))
    page.get_by_role("checkbox", name="Rank truncation").check()
    seed = page.get_by_label("Seed", exact=True)
    expect(page.locator("#diagnose-estimate")).to_contain_text("4")
    seed.fill("-1")
    seed.press("Tab")
    expect(page.locator("#diagnose-error")).to_contain_text("seed")
    seed.fill("7")
    seed.press("Tab")
    expect(page.locator("#diagnose-error")).to_be_empty()
    page.locator("#diagnose-run").click()
    expect(page.locator("#diagnose-status .state")).to_have_text("succeeded", timeout=180_000)
    sharpness = page.locator(".reading").filter(has_text="Sharpness")
    expect(sharpness.get_by_role("row").filter(has_text="ASAM’s step")).to_contain_text("invariant")
    expect(sharpness.get_by_role("row").filter(has_text="worst").first).to_contain_text("moves")
    expect(page.locator("#card-diagnostic-rank-truncation")).to_contain_text("test accuracy")
    page.get_by_role("link", name="its job").click()
    page.wait_for_url(re.compile(r"/jobs/[a-z0-9]+$"))
    expect(page.locator("#job-progress")).to_contain_text("4 of 4 diagnostics")
    expect(page.locator(".reading").filter(has_text="Calibration")).to_contain_text(
        "expected calibration error"
    )


def test_a_landscape_is_computed_once_and_shown_at_once_after_that(
    page: Page, explorer: Explorer, network: str
) -> None:
    page.goto(f"{explorer.url}/lab/landscape?job={network}")
    expect(page.locator("#landscape-place")).to_contain_text("Press Compute above")
    expect(page.locator("#landscape-said")).to_contain_text("drawn coarse at first")
    page.locator("#landscape-run").click()
    settled(page, SIDES, "plane-contour0", [17], "no contour of 17 points a side")
    settled(page, SIDES, "plane-surface0", [17], "no surface")
    expect(page.locator("#landscape-told")).to_contain_text("17 × 17 points")
    page.goto(f"{explorer.url}/lab/landscape?job={network}&h=lin")
    settled(page, SIDES, "plane-contour0", [17], "what was saved is not shown")
    colors = """() => {
        const [trace] = document.querySelector('#card-plane-contour0 .js-plotly-plot').data;
        return trace.zmin === Math.min(...trace.meta.z.flat()); }"""
    assert page.evaluate(colors), "its colours begin at the smallest loss, unlogged"


def test_what_is_proved_lies_below_what_was_attacked(
    page: Page, explorer: Explorer, network: str
) -> None:
    page.goto(f"{explorer.url}/lab/bounds?job={network}")
    settled(
        page,
        NAMES,
        "bounds-time",
        ["measured, mean", "spectral bound", "WEISSI’s bound"],
        "the gradient and its bounds are not drawn",
    )
    settled(
        page,
        NAMES,
        "bounds-layers",
        ["Frobenius, ‖W‖", "spectral, ‖W‖₂", "their ratio"],
        "no layers",
    )
    limit = page.get_by_label("Test examples")
    limit.fill("20")
    limit.press("Tab")
    expect(page.locator("#bounds-attack")).to_contain_text("s)")
    page.locator("#bounds-certify").click()
    expect(page.locator("#bounds-words")).to_contain_text("Certified", timeout=120_000)
    page.locator("#bounds-attack").click()
    expect(page.locator("#bounds-words")).to_contain_text("is proved", timeout=120_000)
    wait_all(explorer)
    expect(page.locator("#bounds-lines")).not_to_contain_text("running", timeout=120_000)
    read_pairs = """() => {
        const traces = document.querySelector('#card-bounds-proved .js-plotly-plot').data;
        const of = (start) => traces.find((trace) => trace.name.startsWith(start)).y;
        return of('attacked').map((high, at) => [high, of('proved, by intervals')[at]]); }"""
    until(lambda: len(page.evaluate(read_pairs)) == 9, 90, "not all nine budgets are drawn")
    pairs = page.evaluate(read_pairs)
    assert all(attacked >= proved for attacked, proved in pairs)


def test_a_slider_makes_the_network_narrower(page: Page, explorer: Explorer, network: str) -> None:
    page.goto(f"{explorer.url}/lab/widths?job={network}")
    expect(page.locator("#widths-where")).to_contain_text("not measured at other widths")
    page.locator("#widths-run").click()
    slider = page.locator("#widths-range")
    until(lambda: slider.get_attribute("max") == "15", 90, "not all widths came")
    expect(page.locator("#widths-value-parameters")).to_have_text("1 482")
    took = page.evaluate(
        """() => { const range = document.querySelector('#widths-range');
        const before = performance.now();
        range.value = 3;
        range.dispatchEvent(new Event('input', { bubbles: true }));
        return performance.now() - before; }"""
    )
    assert took < 100, "the numbers follow the slider"
    expect(page.locator("#widths-at")).to_have_text("25.0 %")
    parameters = page.locator("#widths-value-parameters")
    expect(parameters).to_have_text("330")
    expect(page.locator("#card-widths-reliability")).to_contain_text("where it is so sure")
    page.wait_for_url(re.compile(r"w=0\.25"))
    page.reload()
    expect(page.locator("#widths-at")).to_have_text("25.0 %")
