"""A sweep's page, where its jobs are faster than it is."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]


def test_a_sweep_that_ends_before_its_page_hears_of_it_is_told_whole(
    page: Page, explorer: Explorer
) -> None:
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": 40}
    base, grid = {"kind": "train", "spec": spec}, {"spec.optimizer.lr": [0.1, 0.2, 0.3]}
    with explorer.client() as client:
        made = client.post("/sweeps", json={"base": base, "grid": grid}).raise_for_status().json()

        def share() -> float:
            return float(client.get(f"/sweeps/{made['id']}").json()["done"])

        begun: list[float] = []

        def late(route: Route) -> None:
            begun.append(share())
            until(lambda: share() == 1, 90, "the sweep does not end")
            route.continue_()

        page.route(re.compile(r"/api/v1/events$"), late)
        page.goto(f"{explorer.url}/sweeps/{made['id']}")
        expect(page.locator("#sweep-said")).to_have_text("3 succeeded")
    assert begun[0] < 1, "the page came too late to miss anything"
