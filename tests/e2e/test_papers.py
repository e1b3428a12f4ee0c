"""A newcomer goes from Home to a scale shift, an attack and a comparison; a claim is put to the
test on its paper's page, and judged by the runs it made."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

TRAINED_MS = 60_000
SHOWN_MS = 30_000
"""A page asks the API before it shows anything: longer than an instant on a busy machine."""
BOUND = "#claim-weissi_bound"


def follow(page: Page, explorer: Explorer, title: str) -> None:
    """Press whatever the experiment's card on Home has to press."""
    page.goto(explorer.url)
    card = page.locator(".guide").filter(has_text=title)
    card.locator(".button").click(timeout=SHOWN_MS)


def test_from_home_to_a_shift_an_attack_and_a_comparison(page: Page, explorer: Explorer) -> None:
    follow(page, explorer, "Move scale between layers")
    page.wait_for_url(re.compile(r"/lab/shift\?job=[a-z0-9]+&s=2"), timeout=TRAINED_MS)
    network = page.url.split("job=")[1].split("&")[0]
    rows = page.locator("#shift-measures tr")
    expect(rows.filter(has_text="largest change of any logit")).to_contain_text(
        "rounding", timeout=TRAINED_MS
    )
    expect(rows.filter(has_text=re.compile("weight decay", re.I)).first).to_contain_text("moves")

    follow(page, explorer, "Attack it")
    page.wait_for_url(re.compile(rf"/lab/attack\?job={network}"))
    expect(page.locator("#attack-run")).to_be_visible(timeout=SHOWN_MS)

    follow(page, explorer, "Compare weight decay with WEISSI")
    page.wait_for_url(re.compile(rf"/compare\?jobs={network},[a-z0-9]+"))
    expect(page.get_by_role("heading", name="Compare 3 jobs")).to_be_visible(timeout=SHOWN_MS)
    expect(page.get_by_text("Look at: The intrinsic norm")).to_be_visible()
    drawn = "() => document.querySelector('.chart')?.chart?.painted ?? 0"
    until(lambda: page.evaluate(drawn) >= 2, 90, "two curves are not drawn")


def test_a_claim_is_run_and_judged_while_one_watches(page: Page, explorer: Explorer) -> None:
    page.goto(f"{explorer.url}/papers")
    expect(page.get_by_text("not tested yet").first).to_be_visible(timeout=SHOWN_MS)
    page.get_by_role("link").filter(has_text="The intrinsic norm bounds").click()
    page.wait_for_url(re.compile(r"/papers/weissi$"))
    claim = page.locator(BOUND)
    expect(claim).to_contain_text("6 runs, about", timeout=SHOWN_MS)
    expect(page.locator(".paper-equation math")).to_be_visible()
    claim.get_by_role("button", name="Run the test").click()
    expect(claim.locator(".claim-said")).to_contain_text("to go", timeout=SHOWN_MS)
    expect(claim.locator(".claim-said")).to_have_text("6 of 6 runs are here.", timeout=TRAINED_MS)
    expect(claim.locator(".claim-verdict")).to_have_text("holds")
    expect(claim.locator(".claim-words")).to_contain_text("No violation in")
    expect(claim.get_by_role("button", name="Run the test")).to_be_hidden()
    points = """() => document.querySelector('#card-claim-weissi-bound .js-plotly-plot').data
        .filter((trace) => !/median/.test(trace.name)).flatMap((trace) => trace.y)"""
    ratios = page.evaluate(points)
    assert len(ratios) == 6
    assert all(0 < ratio < 1 for ratio in ratios)
    claim.get_by_role("link", name="Compare its runs").click()
    expect(page.get_by_role("heading", name="Compare 6 jobs")).to_be_visible(timeout=SHOWN_MS)


@pytest.mark.parametrize("path", ["/papers", "/papers/weight_perturbation"])
@pytest.mark.parametrize("width", [390, 1440])
def test_papers_fit_the_window(page: Page, explorer: Explorer, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(explorer.url + path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
