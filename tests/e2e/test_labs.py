"""The instruments on real jobs: scale shift, one example under attack, a sweep, Compare, Resume."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

ANSWER_MS = 60_000
"""The desk's first answer waits for torch to load."""
LINES = """(card) => (document.querySelector(`#card-${card} .chart`)?.chart?.spec?.marks ?? [])
    .filter((mark) => mark.x.length > 1).map((mark) => [mark.name, mark.dash])"""
WALK = """() => (document.querySelector('#card-shift-walk .js-plotly-plot')?.data ?? [])
    .filter((trace) => trace.x.length > 1).map((trace) => [trace.name, trace.line.dash])"""
CHART = "document.querySelector('#card-cmp-train-loss .chart')?.chart"
POINTS = f"() => {CHART}?.spec?.marks[0]?.x ?? []"
AXES = """() => (document.querySelector('#card-cmp-parallel .chart')?.chart?.spec?.texts ?? [])
    .map((one) => one.words)"""
RANGE = f"() => {CHART}.frames[0].x"


def spec(**changes: Any) -> dict[str, Any]:
    plain = {
        "dataset": {"name": "digits", "examples": 300},
        "model": {"name": "mlp", "hidden": [16, 16]},
        "methods": [{"name": "cross_entropy"}],
        "diagnostics": [{"name": "accuracy"}, {"name": "intrinsic_norms"}],
        "epochs": 4,
    }
    return {**plain, **changes}


def train(explorer: Explorer, **changes: Any) -> str:
    with explorer.client() as client:
        body = {"kind": "train", "spec": spec(**changes)}
        return str(client.post("/jobs", json=body).raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def digits(explorer: Explorer) -> str:
    job = train(explorer)
    assert explorer.wait_job(job)["state"] == "succeeded"
    return job


@pytest.fixture(scope="module")
def moons(explorer: Explorer) -> str:
    job = train(explorer, dataset={"name": "moons"}, epochs=20)
    assert explorer.wait_job(job)["state"] == "succeeded"
    return job


def measures(page: Page) -> dict[str, list[str]]:
    """The table of scale shift: before, after and the verdict of each measure."""
    rows: list[list[str]] = page.evaluate(
        """() => [...document.querySelectorAll('#shift-measures tr')]
            .map((row) => [...row.cells].map((cell) => cell.firstChild.textContent))"""
    )
    return {row[0].split(",")[0]: row[1:] for row in rows}


def number(text: str) -> float:
    """As it is written on the page, `1.2 × 10⁻⁷` too."""
    plain = text.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻−", "0123456789--"))
    plain = re.sub(r"(?<=\d) (?=\d)", "", plain)  # thousands
    mantissa, _, exponent = plain.partition(" × 10")
    return float(mantissa) * 10.0 ** int(exponent or 0)


def test_sliders_move_weight_decay_and_leave_the_function_and_weissi(
    page: Page, explorer: Explorer, digits: str
) -> None:
    page.goto(f"{explorer.url}/lab/shift?job={digits}&s=0,0,0")
    slider = page.get_by_role("slider", name="Layer 1")
    expect(slider).to_be_visible(timeout=ANSWER_MS)
    until(lambda: measures(page), 90, "no measures")
    assert {row[2] for row in list(measures(page).values())[:-1]} == {"unshifted"}
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile(r"s=2,0,0"))
    follows = page.locator("#shift-factor-2")
    expect(follows).to_have_text("× 0.25 · follows")
    found = measures(page)
    assert found["weight decay"][2] == "moves"
    assert number(found["weight decay"][1]) > 2 * number(found["weight decay"][0])
    assert found["WEISSI"][2] == found["intrinsic norm"][2] == "invariant"
    logits = re.search(r"Largest logit ([\d.]+)", page.locator("#shift-logits").inner_text())
    assert logits
    assert number(found["largest change of any logit"][1]) <= 1e-5 * float(logits[1])
    assert found["largest change of any logit"][2] == "rounding"
    rows = page.locator("#shift-measures tr")
    sharpness = rows.filter(has_text="SAM sharpness")
    expect(sharpness).to_contain_text("on the first 100 test examples")


@pytest.mark.parametrize("log2", [[1, 0, 0, 0], [1, 0, 1]])
def test_a_factor_that_no_layer_can_take_is_refused_by_its_name(
    explorer: Explorer, digits: str, log2: list[float]
) -> None:
    with explorer.client() as client:
        answer = client.post(
            f"/jobs/{digits}/probes", json={"probe": {"name": "shift", "log2": log2}}
        )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "probe.log2"


def test_train_from_here_draws_a_line_for_each_penalty_and_start(
    page: Page, explorer: Explorer, digits: str
) -> None:
    page.goto(f"{explorer.url}/lab/shift?job={digits}")
    lines = until(lambda: page.evaluate(WALK), 90, "no walk is drawn")
    names = ["no penalty", "weight decay", "WEISSI"]
    drawn = [(name.removesuffix(", shifted"), dash) for name, dash in lines]
    assert drawn == [(name, dash) for name in names for dash in ("solid", "dash")]
    expect(page.locator("#shift-first tr")).to_have_count(7)
    assert measures(page)["weight decay"][2] == "moves", "a first visit shows a shift"


def test_an_attack_on_one_example_changes_the_prediction_only_with_a_budget(
    page: Page, explorer: Explorer, moons: str
) -> None:
    page.goto(f"{explorer.url}/lab/attack?job={moons}")
    eps, said = page.locator("#example-range"), page.locator("#example-said")
    expect(said).to_contain_text("answered in", timeout=ANSWER_MS)
    eps.focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("at ε 0 the network is right")
    seen = page.locator("#example-pictures")
    before, after = re.findall(r"seen as (\w+)", seen.inner_text())
    assert before == after
    page.keyboard.press("End")
    expect(said).to_contain_text("the network errs")
    before, after = re.findall(r"seen as (\w+)", seen.inner_text())
    assert before != after
    assert f"is {before}" in seen.inner_text()


def test_a_sweep_from_the_form_reaches_its_page_and_names_the_best_job(
    page: Page, explorer: Explorer
) -> None:
    page.goto(f"{explorer.url}/launch")
    epochs = page.get_by_label("Epochs", exact=True).first
    epochs.fill("2")
    epochs.press("Tab")
    expect(page.locator("#launch-curl")).to_contain_text('"epochs": 2')
    page.get_by_text("Sweep: several values at once").click()
    page.locator("#sweep-field-0").select_option(label="Learning rate")
    page.locator("#sweep-values-0").fill("0.001, 0.1")
    expect(page.locator("#sweep-cost")).to_contain_text("one seed each")
    expect(page.locator("#launch-submit")).to_be_hidden()
    page.locator("#sweep-seeds").fill("0, 1")
    expect(page.locator("#sweep-cost")).to_contain_text("4 jobs, about")
    page.get_by_role("button", name="Launch 4 jobs").click()
    page.wait_for_url(re.compile(r"/sweeps/[a-z0-9]+"))
    expect(page.locator("#sweep-said")).to_have_text("4 succeeded", timeout=90_000)
    winner = page.locator("#sweep-winner")
    expect(winner).to_contain_text("mean of 2 of 2 seeds")
    expect(winner).to_contain_text("2 of 2 settings fit")
    expect(winner.locator("a")).to_have_text("Learning rate 0.1")
    expect(winner.locator("a")).to_have_attribute("href", re.compile(r"^/compare\?jobs=\w+,\w+$"))
    expect(page.locator("#sweep-jobs tr")).to_have_count(5)
    expect(page.locator("#sweep-jobs a").first).to_have_text(re.compile(r"0\.001.*0"))

    page.get_by_role("link", name="Compare the curves").click()
    page.wait_for_url(re.compile(r"/compare"))
    until(lambda: len(page.evaluate(LINES, "cmp-train-loss")) == 4, 90, "not a line a job")
    apart = page.locator("table").filter(has_text="Field")
    expect(apart.get_by_role("rowheader")).to_have_text(["Learning rate", "Seed"])
    expect(apart.get_by_role("columnheader")).to_have_count(5)
    expect(page.locator("#card-cmp-train-loss .chart-legend-title")).to_have_text("Learning rate")
    until(lambda: "Learning rate (log)" in page.evaluate(AXES), 90, "an axis without its words")

    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(page.url + "&facet=optimizer.lr")
    chart = page.locator("#card-cmp-train-loss .plot-place")
    expect(chart).to_have_attribute("data-rows", "")
    assert chart.evaluate("(e) => e.clientHeight") >= 400, "a facet a row needs a row's height"


def test_a_zoom_on_compare_shows_every_point_and_a_double_click_the_whole(
    page: Page, explorer: Explorer
) -> None:
    """A job of more points than a card draws at once."""
    job = train(explorer, epochs=410, log_every=1, diagnostics=[])
    explorer.wait_job(job)
    page.goto(f"{explorer.url}/compare?jobs={job}&name=train/loss")
    until(lambda: page.evaluate(POINTS), 90, "no line")
    card = page.locator("#card-cmp-train-loss")
    expect(card).to_contain_text("Down-sampled")
    whole = page.evaluate(POINTS)
    box = card.locator(".chart-plane").first.bounding_box()
    assert box
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.4 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=5)
    page.mouse.up()
    expect(card).not_to_contain_text("Down-sampled")
    near = page.evaluate(POINTS)
    assert near == list(range(near[0], near[-1] + 1)), "steps are missing"
    assert len(near) < len(whole)
    page.mouse.dblclick(box["x"] + box["width"] / 2, middle)
    until(lambda: page.evaluate(POINTS) == whole, 90, "the whole does not come back")


def test_a_chart_moves_with_its_keys_and_is_downloaded_as_it_is_seen(
    page: Page, explorer: Explorer, digits: str
) -> None:
    page.goto(f"{explorer.url}/compare?jobs={digits}&name=train/loss")
    until(lambda: page.evaluate(POINTS), 90, "no line")
    whole = page.evaluate(RANGE)
    card = page.locator("#card-cmp-train-loss")
    card.locator(".chart-plane").press("+")
    near = page.evaluate(RANGE)
    assert whole[0] < near[0] < near[1] < whole[1]
    card.locator(".chart-plane").press("ArrowRight")
    assert page.evaluate(RANGE)[0] > near[0]
    card.locator(".chart-plane").press("0")
    assert page.evaluate(RANGE) == whole
    files = {}
    for format in ("svg", "png", "csv"):
        card.locator("summary").click()
        with page.expect_download() as download:
            card.locator(f"[data-save={format}]").click()
        files[format] = download.value.path().read_bytes()
    drawing = files["svg"].decode()
    assert drawing.startswith("<svg")
    assert drawing.count("<path") > 8
    assert "Training loss with penalties (nats)" in drawing
    assert files["png"].startswith(b"\x89PNG")
    assert len(files["csv"].splitlines()) == 1 + len(page.evaluate(POINTS))


def test_compare_of_a_running_job_ends_with_every_point(page: Page, explorer: Explorer) -> None:
    job = train(explorer, epochs=300, log_every=1, diagnostics=[])
    with explorer.client() as client:
        until(lambda: "train/loss" in client.get(f"/jobs/{job}").json()["summary"], 90, "no loss")
        page.goto(f"{explorer.url}/compare?jobs={job}&name=train/loss")
        explorer.wait_job(job)
        query = {"name": "train/loss", "points": 20_000}
        items = client.get(f"/jobs/{job}/measurements", params=query).json()["items"]
    steps = [item["step"] for item in items]
    assert len(steps) > 1000
    until(lambda: page.evaluate(POINTS) == steps, 90, "points are missing")


def test_resume_makes_a_cancelled_job_succeed(page: Page, explorer: Explorer) -> None:
    job = train(explorer, epochs=600)
    with explorer.client() as client:
        until(
            lambda: (client.get(f"/jobs/{job}").json()["progress"] or {}).get("step", 0) > 100,
            60,
            "it does not run",
        )
        client.post(f"/jobs/{job}/cancel").raise_for_status()
    assert explorer.wait_job(job)["state"] == "cancelled"
    page.goto(f"{explorer.url}/jobs/{job}")
    expect(page.locator("#job-state")).to_have_text("cancelled")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#job-state")).to_have_text("succeeded", timeout=90_000)
    assert explorer.wait_job(job)["attempt"] == 2


def test_two_trainings_ticked_on_jobs_are_compared(
    page: Page, explorer: Explorer, digits: str, moons: str
) -> None:
    page.goto(f"{explorer.url}/jobs?kind=train")
    button = page.get_by_role("button", name="Compare")
    for job in (digits, moons):
        expect(button).to_be_disabled()
        page.locator(f'.ag-row[row-id="{job}"] input[type="checkbox"]').first.check()
    button.click()
    page.wait_for_url(re.compile(rf"/compare\?jobs=.*({digits}|{moons})"))
    until(lambda: len(page.evaluate(LINES, "cmp-train-loss")) == 2, 90, "not a line a job")
