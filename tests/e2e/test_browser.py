"""What a person does: opens the address, launches, watches curves move, attacks the result."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

POINTS = """() => {
    const plots = [...document.querySelectorAll('.js-plotly-plot')];
    const of = (name) => plots.flatMap((plot) => plot.data)
        .filter((trace) => trace.meta && trace.meta.series === name)
        .map((trace) => trace.x.length);
    return Math.max(0, ...of('train/loss/cross_entropy'));
}"""
ENDED_MS = 240_000


def fill(page: Page, label: str, value: str) -> None:
    box = page.get_by_label(label, exact=True).first
    box.fill(value)
    box.press("Tab")


def launch(page: Page, explorer: Explorer, query: str, epochs: str) -> None:
    page.goto(f"{explorer.url}/launch{query}")
    fill(page, "Epochs", epochs)
    expect(page.locator("#launch-curl")).to_contain_text(f'"epochs": {epochs}')
    page.locator("#launch-submit").click()
    page.wait_for_url(re.compile(r"/jobs/[a-z0-9]+"))


def test_the_preset_gives_moving_curves_and_an_attack_result(
    page: Page, explorer: Explorer
) -> None:
    page.goto(f"{explorer.url}/launch")
    page.get_by_role("button", name="Weight decay against WEISSI on digits").click()
    page.get_by_role("button", name="Launch all 2 jobs").click()
    page.wait_for_url(re.compile(r"/jobs"))
    page.locator("#jobs-grid").get_by_role("link", name="WEISSI on digits", exact=True).click()
    page.wait_for_url(re.compile(r"/jobs/[a-z0-9]+"))
    expect(page.locator("#job-state")).to_have_text("succeeded", timeout=ENDED_MS)
    until(lambda: page.evaluate(POINTS) > 50, 90, "few points")

    page.locator("#job-attack").click()
    page.wait_for_url(re.compile(r"/lab/attack"))
    page.locator("#attack-run").click()
    expect(page.locator("#attack-evaluation")).to_contain_text(
        "eps 0 equals clean accuracy", timeout=ENDED_MS
    )
    expect(page.locator("#attack-gallery img").first).to_be_visible()
    accuracies = page.evaluate(
        """() => [...document.querySelectorAll('.js-plotly-plot')].flatMap((p) => p.data)
           .filter((t) => t.x && t.x.length > 2).length"""
    )
    assert accuracies > 0


# What the page says in the very moment in which the badge becomes "cancelled".
WATCH_THE_END = """() => {
    const shown = (id) => Boolean(document.querySelector(id)?.offsetParent);
    new MutationObserver((_, observer) => {
        if (document.querySelector('#job-state')?.textContent !== 'cancelled') return;
        observer.disconnect();
        window.atTheEnd = {
            words: document.querySelector('.progress-text').textContent,
            cancel: shown('#job-cancel'),
            delete: shown('#job-delete'),
            resume: shown('#job-resume'),
        };
    }).observe(document.body, { childList: true, characterData: true, subtree: true });
}"""


def test_a_curve_grows_while_the_job_trains_and_cancel_ends_it(
    page: Page, explorer: Explorer
) -> None:
    launch(page, explorer, "", "3000")
    expect(page.locator("#job-state")).to_have_text("running", timeout=90_000)
    until(lambda: page.evaluate(POINTS), 90, "no point came")
    before = page.evaluate(KEEP)
    until(lambda: page.evaluate(POINTS) > before + 20, 90, "the curve does not grow")
    opened = page.evaluate(
        "() => performance.getEntriesByType('resource')"
        ".filter((r) => r.name.includes('/api/v1/measurements')).length"
    )
    assert opened == 0, "history is polled"
    expect(page.locator("#job-progress")).to_contain_text("left")
    page.evaluate(WATCH_THE_END)
    page.locator("#job-cancel").click()
    page.locator("#job-confirm-yes").click()
    expect(page.locator("#job-state")).to_have_text("cancelled", timeout=60_000)
    seen = until(lambda: page.evaluate("() => window.atTheEnd"), 60, "the badge did not change")
    assert "left" not in seen["words"]
    assert (seen["cancel"], seen["delete"], seen["resume"]) == (False, True, True)

    page.wait_for_timeout(5000)  # nothing is told any more
    last = page.evaluate(POINTS)
    assert page.evaluate(OLDER) == before < last
    until(lambda: page.evaluate(POINTS) == last, 90, "the figure stays as it was renewed")


KEEP = f"""() => {{
    const plots = [...document.querySelectorAll('.plot-card .js-plotly-plot')];
    window.older = plots.map((gd) => [gd.closest('.plot-card').id, structuredClone(gd.data)]);
    return ({POINTS})();
}}"""
# What Dash does where the server's answer was on its way while the last points were told.
OLDER = f"""() => {{
    for (const [card, data] of window.older) {{
        const gd = document.querySelector(`#${{card}} .js-plotly-plot`);
        Plotly.newPlot(gd, data, gd.layout);
    }}
    return ({POINTS})();
}}"""

STATES = """() => ({
    state: document.querySelector('#job-state')?.textContent,
    words: document.querySelector('.progress-text')?.textContent ?? '',
    attack: Boolean(document.querySelector('#job-attack')?.offsetParent),
})"""


@pytest.mark.slow
def test_a_killed_worker_s_job_is_seen_to_run_again(page: Page, explorer: Explorer) -> None:
    """The badge and the time left follow the attempt that runs."""
    launch(page, explorer, "", "20000")
    until(lambda: "left" in page.evaluate(STATES)["words"], 90, "it does not run")
    worker = next(p for p in explorer.processes() if p.cmdline()[1:] == ["-m", "worker.serve"])
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()
    job = page.url.rsplit("/", 1)[1]
    with explorer.client() as client:
        until(lambda: client.get(f"/jobs/{job}").json()["attempt"] == 2, 90, "not again")
        again = until(
            lambda: (now := page.evaluate(STATES))["state"] == "running" and "left" in now["words"],
            60,
            "the page does not show that it runs again",
        )
        assert again
        assert not page.evaluate(STATES)["attack"], "offered before there is a network"
        client.post(f"/jobs/{job}/cancel")
    explorer.wait_job(job, 60)


def test_a_slash_finds_the_jobs_from_a_page_without_a_search(
    page: Page, explorer: Explorer
) -> None:
    expect(page.locator("#home-recent")).to_be_visible()
    page.keyboard.press("/")
    page.wait_for_url(re.compile(r"/jobs$"))
    expect(page.get_by_label("Search jobs")).to_be_focused()


def test_selected_jobs_are_compared_and_deleted(page: Page, explorer: Explorer) -> None:
    spec = {"dataset": {"name": "moons"}, "model": {"name": "mlp", "hidden": [8]}, "epochs": 1}
    with explorer.client() as client:
        new = {"kind": "train", "spec": spec, "tags": ["pair"]}
        jobs = {client.post("/jobs", json=new).raise_for_status().json()["id"] for _ in range(2)}
    for job in jobs:
        explorer.wait_job(job)

    def select() -> None:
        page.goto(f"{explorer.url}/jobs?tag=pair")
        boxes = page.locator("#jobs-grid .ag-row .ag-checkbox-input")
        expect(boxes).to_have_count(2, timeout=90_000)
        for box in boxes.all():
            box.check()

    select()
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url(re.compile(r"/compare\?jobs="))
    assert set(re.findall(r"[a-z0-9]{12}", page.url)) == jobs
    select()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 2 jobs.")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("No job matches these filters.")).to_be_visible(timeout=90_000)


def test_home_and_the_rail_tell_of_the_same_workers(page: Page, explorer: Explorer) -> None:
    expect(page.locator("#home-workers tr")).to_have_count(1)
    expect(page.locator("#rail-workers")).to_contain_text("1 worker")


def test_a_job_is_launched_with_the_priority_that_was_chosen(
    page: Page, explorer: Explorer
) -> None:
    page.goto(f"{explorer.url}/launch")
    expect(page.locator("#launch-curl")).to_contain_text('"kind"')
    page.get_by_text("When it runs").click()
    page.locator("#launch-priority").click()
    page.get_by_role("option", name="low").click()
    expect(page.locator("#launch-curl")).to_contain_text('"priority": "low"')


def test_a_narrow_launch_keeps_its_button_in_sight(page: Page, explorer: Explorer) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{explorer.url}/launch")
    page.get_by_role("heading", name="Network", exact=True).scroll_into_view_if_needed()
    expect(page.locator("#launch-submit")).to_be_in_viewport()


def test_the_whole_catalogue_is_there_soon_and_a_card_unfolds(
    page: Page, explorer: Explorer
) -> None:
    """Every table of parameters at once kept the browser busy for more than a minute; every card
    as Dash's components, for eight seconds."""
    page.goto(f"{explorer.url}/catalogue")
    card = page.locator("#method-weissi")
    card.wait_for()
    assert card.locator("table").count() == 0
    card.get_by_text("Definition").click()
    expect(card.locator("table")).to_contain_text("strength")
    page.set_viewport_size({"width": 390, "height": 844})
    room = card.locator(".scroll").evaluate("(e) => e.clientWidth - e.scrollWidth")
    assert room == 0, "a phone cuts what a parameter is"
    page.get_by_label("Search the catalogue").fill("sam")
    expect(page.locator("article h3").first).to_have_text("SAM")
    expect(page.locator("#dataset-digits")).to_have_count(0)


def test_many_series_can_be_searched_and_hidden(page: Page, explorer: Explorer) -> None:
    spec = {"dataset": {"name": "digits"}, "model": {"name": "mlp", "hidden": [8] * 9}, "epochs": 1}
    spec["diagnostics"] = [{"name": "layer_norms"}]
    with explorer.client() as client:
        made = client.post("/jobs", json={"kind": "train", "spec": spec}).raise_for_status().json()
    explorer.wait_job(made["id"])
    page.goto(f"{explorer.url}/jobs/{made['id']}")
    card = page.locator("#card-norm")
    card.locator(".scatterlayer").first.wait_for(state="attached")
    expect(card.locator(".series-list li:visible")).to_have_count(10)
    card.get_by_label("Search the series").fill("layer 10")
    expect(card.locator(".series-list li:visible")).to_have_count(1)
    card.get_by_role("button", name="layer 10").click()
    hidden = """() => document.querySelector('#card-norm .js-plotly-plot').data
        .filter((trace) => trace.visible === 'legendonly').map((trace) => trace.name)"""
    until(lambda: page.evaluate(hidden) == ["layer 10"], 90, "it is still drawn")


def test_the_form_shows_the_servers_complaint_beside_its_field(
    page: Page, explorer: Explorer
) -> None:
    page.goto(f"{explorer.url}/launch")
    hidden = page.get_by_label("Hidden", exact=True).first
    hidden.fill("128, -3")
    hidden.press("Tab")
    expect(page.get_by_text("greater than or equal to 1").first).to_be_visible()
    page.locator("#launch-submit").click()
    expect(hidden).to_be_focused()
    assert page.url.partition("?")[0].endswith("/launch")


def test_moons_show_their_decision_regions(page: Page, explorer: Explorer) -> None:
    with explorer.client() as client:
        spec = {"dataset": {"name": "moons"}, "model": {"name": "mlp"}, "epochs": 30}
        spec["diagnostics"] = [{"name": "accuracy"}, {"name": "decision_regions"}]
        job = client.post("/jobs", json={"kind": "train", "spec": spec}).raise_for_status().json()
    explorer.wait_job(job["id"])
    page.goto(f"{explorer.url}/jobs/{job['id']}")
    page.wait_for_function(
        """() => [...document.querySelectorAll('.js-plotly-plot')]
           .some((p) => p.data.some((t) => ['heatmap', 'contour'].includes(t.type)))"""
    )


def test_a_visitor_without_the_token_is_told_how_to_get_in(
    explorer: Explorer, browser: Browser
) -> None:
    context = browser.new_context()
    page = context.new_page()
    answer = page.goto(f"{explorer.url}/jobs")
    assert answer is not None
    assert answer.status == 401
    expect(page.get_by_text("token").first).to_be_visible()
    context.close()


def test_the_token_leaves_the_address_at_once(page: Page, explorer: Explorer) -> None:
    assert "token" not in page.url
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert cookies["normscope_token"]["httpOnly"]
    assert cookies["normscope_token"]["sameSite"] == "Strict"
    assert httpx.get(explorer.url, cookies={"normscope_token": "wrong"}).status_code == 401
