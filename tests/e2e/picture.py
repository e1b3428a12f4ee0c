"""The README's pictures, taken from a running explorer: python -m tests.e2e.picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from backend.local.install import find_browser
from tests.e2e.conftest import FLAGS
from tests.e2e.explorer import ROOT, Explorer, running

DOCS = ROOT / "docs"
TRAIN: dict[str, Any] = {
    "kind": "train",
    "name": "WEISSI on digits",
    "spec": {
        "dataset": {"name": "digits"},
        "model": {"name": "mlp", "hidden": [128, 128]},
        "methods": [{"name": "cross_entropy"}, {"name": "weissi"}],
        "optimizer": {"name": "sgd", "lr": 0.02, "momentum": 0.9},
        "epochs": 60,
    },
}


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as explorer:
        job = done(explorer, TRAIN)
        attack = {
            "source": job,
            "attacks": [{"name": "pgd"}],
            "eps_grid": [0, 0.03, 0.06, 0.1, 0.15],
        }
        done(explorer, {"kind": "attack", "spec": attack})
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 1010})
            page.goto(f"{explorer.url}/?token={explorer.token}")
            shoot(page, f"{explorer.url}/jobs/{job}", "job.png")
            shoot(page, f"{explorer.url}/lab/attack?job={job}", "attack.png")
            browser.close()


def done(explorer: Explorer, body: dict[str, Any]) -> str:
    """The id of a job that has succeeded."""
    with explorer.client() as client:
        job = client.post("/jobs", json=body).raise_for_status().json()["id"]
    ended = explorer.wait_job(job)
    assert ended["state"] == "succeeded", ended["error"]
    return str(job)


def shoot(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.locator(".js-plotly-plot .scatterlayer").first.wait_for()
    page.wait_for_timeout(1500)
    page.screenshot(path=DOCS / name)


if __name__ == "__main__":
    main()
