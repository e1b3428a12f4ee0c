"""Who may only read sees everything; what changes something is refused, and the page says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.explorer import ROOT, Explorer, until
from tests.hostile.names import small_job

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.xdist_group("hostile")]

PATIENCE_MS = 120_000
WHY = "The token of reader may only read"


def tokens(explorer: Explorer, *words: str) -> str:
    """What the command prints."""
    command = [sys.executable, "-m", "backend", "tokens", *words]
    env = {**os.environ, **explorer.env}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def reader(explorer: Explorer) -> str:
    return tokens(explorer, "make", "--name", "reader", "--role", "read")


@pytest.fixture(scope="module")
def job(explorer: Explorer) -> str:
    return small_job(explorer, "to be read")


@pytest.fixture
def reading(explorer: Explorer, browser: Browser, reader: str) -> Iterator[Page]:
    """A page that the reader opened."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto(f"{explorer.url}/?token={reader}")
    yield page
    context.close()


def test_a_reader_sees_jobs_and_curves(reading: Page, explorer: Explorer, job: str) -> None:
    reading.goto(f"{explorer.url}/jobs/{job}")
    expect(reading.locator("h1")).to_contain_text("to be read", timeout=PATIENCE_MS)
    expect(reading.locator(".js-plotly-plot").first).to_be_visible(timeout=PATIENCE_MS)


def test_a_reader_launches_nothing(reading: Page, explorer: Explorer) -> None:
    reading.goto(f"{explorer.url}/launch")
    expect(reading.locator("#launch-curl")).to_contain_text("epochs", timeout=PATIENCE_MS)
    reading.locator("#launch-submit").click()
    expect(reading.locator("main")).to_contain_text(WHY, timeout=PATIENCE_MS)


def test_a_reader_deletes_nothing(reading: Page, explorer: Explorer, job: str) -> None:
    reading.goto(f"{explorer.url}/jobs/{job}")
    reading.locator("#job-delete").click(timeout=PATIENCE_MS)
    reading.locator("#job-confirm-yes").click(timeout=PATIENCE_MS)
    expect(reading.locator("#job-refused")).to_contain_text(WHY, timeout=PATIENCE_MS)
    with explorer.client() as client:
        assert client.get(f"/jobs/{job}").status_code == 200


def test_a_revoked_reader_is_out(explorer: Explorer) -> None:
    token = tokens(explorer, "make", "--name", "guest", "--role", "read")
    asked = {"Authorization": f"Bearer {token}"}
    for path in ("/jobs", "/api/v1/me"):
        assert httpx.get(explorer.url + path, headers=asked, timeout=60).status_code == 200
    assert "shut out" in tokens(explorer, "revoke", "--name", "guest")
    for path, seconds in (("/api/v1/me", 60), ("/jobs", 120)):

        def out(path: str = path) -> bool:
            answer = httpx.get(explorer.url + path, headers=asked, timeout=60)
            return answer.status_code == 401

        until(out, seconds, f"{path} still opens")
    with explorer.client() as client:
        done = [deed["what"] for deed in client.get("/audit").json()["items"]]
    assert {"tokens make guest read", "tokens revoke guest"} <= set(done)
