"""What axe-core says of every page, wide and light, then narrow and dark; and that it fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import PATIENCE_MS
from tests.e2e.explorer import ROOT, Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

GRAVE = {"serious", "critical"}
ADDRESSES = {
    "home": "/",
    "launch": "/launch?preset=weissi_digits",
    "jobs": "/jobs",
    "job": "/jobs/{train}",
    "compare": "/compare?jobs={train},{other}",
    "sweeps": "/sweeps",
    "sweep": "/sweeps/{sweep}",
    "shift": "/lab/shift?job={train}",
    "attack": "/lab/attack?job={train}&run={attack}",
    "diagnose": "/lab/diagnose?job={diagnose}",
    "landscape": "/lab/landscape?job={train}",
    "bounds": "/lab/bounds?job={train}",
    "widths": "/lab/widths?job={train}",
    "papers": "/papers",
    "paper": "/papers/weissi",
    "catalogue": "/catalogue?q=sam",
    "operator": "/operator",
    "not_found_404": "/nowhere",
}
"""A page by its file in frontend/pages."""
SWITCH = "(to) => document.documentElement.setAttribute('data-mantine-color-scheme', to)"


@pytest.fixture(scope="module")
def ids(explorer: Explorer) -> dict[str, str]:
    """Two networks, an attack on the first, a diagnosis of it, a sweep of one."""
    spec = {
        "dataset": {"name": "digits", "examples": 200},
        "model": {"name": "mlp", "hidden": [16, 16]},
        "optimizer": {"name": "sgd"},
        "epochs": 2,
    }
    made = {}
    with explorer.client() as client:

        def ask(name: str, path: str, body: dict[str, Any]) -> None:
            made[name] = str(client.post(path, json=body).raise_for_status().json()["id"])

        ask("train", "/jobs", {"kind": "train", "name": "looked at", "spec": spec})
        ask("other", "/jobs", {"kind": "train", "name": "beside it", "spec": {**spec, "seed": 1}})
        base, grid = {"kind": "train", "spec": spec}, {"spec.seed": [2]}
        ask("sweep", "/sweeps", {"name": "seeds", "base": base, "grid": grid})
        for name in ("train", "other"):
            assert explorer.wait_job(made[name])["state"] == "succeeded"
        source = {"source": made["train"]}
        attacks = {"attacks": [{"name": "fgsm"}], "eps_grid": [0, 0.1], "limit": 50}
        ask("attack", "/jobs", {"kind": "attack", "spec": {**source, **attacks}})
        diagnostics = [{"name": "calibration"}, {"name": "layer_norms"}]
        body = {"kind": "diagnose", "spec": {**source, "diagnostics": diagnostics}}
        ask("diagnose", "/jobs", body)
    for name in ("attack", "diagnose"):
        assert explorer.wait_job(made[name])["state"] == "succeeded"
    return made


@pytest.fixture(scope="module")
def still(explorer: Explorer, browser: Browser) -> Iterator[Page]:
    """A page whose colours do not fade into each other."""
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{explorer.url}/?token={explorer.token}")
    yield page
    context.close()


def grave(page: Page) -> str:
    """What is serious or critical, in words; nothing where nothing is."""
    found = Axe().run(page).response["violations"]
    return "\n".join(
        f"{one['impact']} {one['id']}: {node['target']} {node['html'][:200]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    )


def look(page: Page, scheme: str, width: int) -> None:
    """Nothing grave, nothing wider than the window, once what is on its way has come."""
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(SWITCH, scheme)
    said: list[str] = []

    def clean() -> bool:
        said.append(grave(page))
        return not said[-1]

    try:
        until(clean, 60, "")
    except AssertionError:
        pytest.fail(f"{page.url}, {scheme}, {width} pixels:\n{said[-1]}")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_every_page_is_looked_at() -> None:
    pages = {path.stem for path in (ROOT / "frontend/pages").glob("*.py")} - {"__init__"}
    assert pages <= set(ADDRESSES), "a page without an address here"


@pytest.mark.parametrize("name", ADDRESSES)
def test_axe_finds_nothing_serious(
    still: Page, explorer: Explorer, ids: dict[str, str], name: str
) -> None:
    still.goto(explorer.url + ADDRESSES[name].format(**ids))
    expect(still.locator("h1").first).to_be_visible()
    expect(still.locator("[aria-busy=true]")).to_have_count(0)
    look(still, "light", 1440)
    look(still, "dark", 390)
