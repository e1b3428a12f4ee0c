"""Names and tags are text wherever they are shown; and what a token may not do, the page says."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.explorer import Explorer
from tests.hostile.names import NAMES, PROTO, SCRIPT, small_job, train

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("hostile")]

PATIENCE_MS = 120_000
HARM = """() => [window.pwned ?? null, ({}).polluted ?? null,
    document.querySelectorAll('img[src="x"], [onload], [onerror], a[href^="javascript"]').length]"""
LABS = ("shift", "attack", "diagnose", "landscape", "widths", "bounds")


@pytest.fixture(scope="module")
def jobs(explorer: Explorer) -> dict[str, str]:
    """A finished job of every name, which is its tag too."""
    return {what: small_job(explorer, name, (name[:64],)) for what, name in NAMES.items()}


@pytest.fixture(scope="module")
def sweep(explorer: Explorer) -> str:
    with explorer.client() as client:
        body = {"base": train(tags=[PROTO]), "seeds": [1, 2], "name": SCRIPT}
        made = client.post("/sweeps", json=body).raise_for_status().json()
    for job in made["jobs"]:
        explorer.wait_job(job["id"])
    return str(made["id"])


def harmless(page: Page) -> None:
    assert page.evaluate(HARM) == [None, None, 0]


@pytest.mark.parametrize("what", NAMES)
def test_a_jobs_own_page(page: Page, explorer: Explorer, jobs: dict[str, str], what: str) -> None:
    page.goto(f"{explorer.url}/jobs/{jobs[what]}")
    expect(page.locator("h1")).to_contain_text(NAMES[what], timeout=PATIENCE_MS)
    expect(page.locator("#job-state")).to_have_text("succeeded", timeout=PATIENCE_MS)
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=PATIENCE_MS)
    harmless(page)


def test_the_table_of_jobs(page: Page, explorer: Explorer, jobs: dict[str, str]) -> None:
    for what, job in jobs.items():
        page.goto(f"{explorer.url}/jobs?q={job}")
        row = page.locator("#jobs-grid .ag-row").filter(has=page.locator(f'a[href="/jobs/{job}"]'))
        expect(row.first).to_contain_text(NAMES[what], timeout=PATIENCE_MS)
        harmless(page)


def test_home_compare_and_sweeps(
    page: Page, explorer: Explorer, jobs: dict[str, str], sweep: str
) -> None:
    several = ",".join(jobs.values())
    for path in ("/", f"/compare?jobs={several}", "/sweeps", f"/sweeps/{sweep}"):
        page.goto(explorer.url + path)
        expect(page.locator("body")).to_contain_text(SCRIPT, timeout=PATIENCE_MS)
        harmless(page)


@pytest.mark.parametrize("lab", LABS)
def test_the_labs(page: Page, explorer: Explorer, jobs: dict[str, str], lab: str) -> None:
    for what in ("script", "proto"):
        page.goto(f"{explorer.url}/lab/{lab}?job={jobs[what]}")
        expect(page.locator("main h1")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("main")).to_contain_text(re.compile(r"\w{3}"), timeout=PATIENCE_MS)
        harmless(page)


QUERIES = ("q", "job", "jobs", "preset", "from", "state", "tag")


@pytest.mark.parametrize("path", ["/jobs", "/launch", "/compare", "/lab/shift", "/catalogue"])
def test_what_an_address_says(page: Page, explorer: Explorer, path: str) -> None:
    payload = "%3Cimg%20src%3Dx%20onerror%3D%22window.pwned%3D1%22%3E"
    page.goto(f"{explorer.url}{path}?{'&'.join(f'{name}={payload}' for name in QUERIES)}")
    expect(page.locator("main h1")).to_be_visible(timeout=PATIENCE_MS)
    harmless(page)


def test_the_login_page_repeats_nothing(explorer: Explorer, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(f'{explorer.url}/"><img src=x onerror="window.pwned=1">?token=<script>')
    expect(page.get_by_label("Token")).to_be_visible(timeout=PATIENCE_MS)
    harmless(page)
    page.close()
