"""The operator's page: what is there, who may see what, and that it stays where one reads."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Page, Response, expect

from backend.access import Role, digest, made
from backend.store import tokens
from backend.store.engine import open_store
from tests.e2e.explorer import Explorer
from worker.contract.settings import Settings

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

TRAIN = {"kind": "train", "spec": {"dataset": {"name": "moons"}, "model": {"name": "mlp"}}}


SCROLL = "() => { document.querySelector('#operator-deeds').parentElement.scrollLeft = 20 }"
PLACE = """() => [scrollY, document.querySelector('#operator-deeds').parentElement.scrollLeft]"""


def beat(response: Response) -> bool:
    """An answer to the page's own callback."""
    return "operator-figures" in (response.request.post_data or "")


def test_an_admin_sees_all_and_it_does_not_jump(page: Page, explorer: Explorer) -> None:
    with explorer.client() as client:
        job = client.post("/jobs", json=TRAIN).raise_for_status().json()["id"]
    explorer.wait_job(job, 240)
    page.goto(f"{explorer.url}/operator")
    expect(page.locator("#operator-workers tbody tr")).not_to_have_count(0)
    expect(page.locator("#operator-steps")).to_contain_text("a step takes: train")
    expect(page.locator("#operator-tokens")).to_contain_text("installation")
    expect(page.locator("#operator-deeds")).to_contain_text("POST /api/v1/jobs")
    about = page.locator("#operator-deeds").get_by_role("link", name=job).first
    expect(about).to_have_attribute("href", f"/jobs/{job}")
    assert explorer.token not in page.content()
    page.set_viewport_size({"width": 390, "height": 500})
    page.locator("#operator-deeds").scroll_into_view_if_needed()
    page.evaluate(SCROLL)
    place = page.evaluate(PLACE)
    assert min(place) > 0
    for _ in range(2):
        with page.expect_response(beat):
            pass
    down, across = page.evaluate(PLACE)
    assert across == place[1]
    assert abs(down - place[0]) < 40, "a line may wrap; the page may not jump"
    with explorer.client() as client:
        client.post("/jobs/nope/cancel")
    expect(page.locator("#operator-deeds")).to_contain_text("nope")


def test_a_reader_sees_neither_tokens_nor_the_log(page: Page, explorer: Explorer) -> None:
    token = made("reader")
    store = open_store(Settings(data_dir=explorer.data_dir))
    with store.write() as connection:
        assert tokens.make(connection, "reader", str(Role.READ), digest(token))
    store.close()
    page.goto("about:blank")  # the page before would miss its cookie
    page.context.clear_cookies()
    page.goto(f"{explorer.url}/operator?token={token}")
    expect(page.locator("#operator-workers tbody tr")).not_to_have_count(0)
    expect(page.locator("#operator-keeps")).to_be_hidden()
    expect(page.locator("#operator-deeds")).to_be_empty()
    reader = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{explorer.url}/api/v1/tokens", headers=reader).status_code == 403
