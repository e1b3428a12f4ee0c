"""The attack lab: weights and both moved while one waits, two networks, the form, its results."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.explorer import Explorer, until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

ANSWER_MS = 120_000
"""The desk's first answer waits for torch to load."""
PATIENCE_S = 60
TRACES = """(card) => (document.querySelector(`#card-${card} .js-plotly-plot`)?.data ?? [])
    .map((trace) => ({name: trace.name, x: trace.x, y: trace.y, z: trace.z}))"""
X_TITLE = """(card) =>
    document.querySelector(`#card-${card} .js-plotly-plot`)?.layout?.xaxis?.title?.text"""


def train(explorer: Explorer, name: str, **changes: Any) -> str:
    spec = {
        "dataset": {"name": "digits", "examples": 300, "validation": 0.2},
        "model": {"name": "mlp", "hidden": [16, 16]},
        "methods": [{"name": "cross_entropy"}],
        "diagnostics": [],
        "epochs": 10,
        **changes,
    }
    with explorer.client() as client:
        made = client.post("/jobs", json={"kind": "train", "name": name, "spec": spec})
        return str(made.raise_for_status().json()["id"])


@pytest.fixture(scope="module")
def networks(explorer: Explorer) -> tuple[str, str]:
    """Two networks of the same data."""
    both = train(explorer, "attacked one"), train(explorer, "attacked two", seed=1)
    for job in both:
        assert explorer.wait_job(job)["state"] == "succeeded"
    return both


def traces(page: Page, card: str) -> dict[str, Any]:
    return {trace["name"]: trace for trace in page.evaluate(TRACES, card)}


def flipped(page: Page) -> tuple[int, float]:
    """How many predictions the page says flip, and at which ε_w."""
    said = re.search(r"(\d+) of 48 .* ε_w ([\d.]+)", page.locator("#example-said").inner_text())
    assert said
    return int(said[1]), float(said[2])


def test_an_example_that_is_not_there_leaves_no_plots_of_another(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    page.goto(f"{explorer.url}/lab/attack?job={networks[0]}")
    expect(page.locator("#example-said")).to_contain_text("true class", timeout=ANSWER_MS)
    expect(page.locator("#card-example-bars")).to_be_visible()
    page.locator("#example-index").fill("360")
    expect(page.locator("#example-pictures")).to_contain_text("There is no example 360")
    expect(page.locator("#card-example-bars")).to_be_hidden()
    page.locator("#example-index").fill("359")
    expect(page.locator("#card-example-bars")).to_be_visible()
    expect(page.locator("#example-said")).to_contain_text("true class")


def test_the_curve_the_pictures_and_the_words_tell_the_same_flips(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    page.goto(f"{explorer.url}/lab/attack?job={networks[0]}")
    said = page.locator("#example-said")
    expect(said).to_contain_text("true class", timeout=ANSWER_MS)
    page.get_by_role("button", name="weights", exact=True).click()
    expect(said).to_contain_text("answered in", timeout=ANSWER_MS)
    until(lambda: len(traces(page, "example-flips")) == 2, PATIENCE_S, "chance is not drawn")
    page.locator("#example-range").focus()
    page.keyboard.press("Home")
    expect(said).to_contain_text("0 of 48 predictions flip at ε_w 0 ·")
    expect(page.locator(".flip.flipped")).to_have_count(0)
    page.keyboard.press("End")
    expect(said).to_contain_text("at ε_w 0.1 ·")
    count, eps = flipped(page)
    assert count > 5, "the largest budget flips next to nothing"
    expect(page.locator(".flip.flipped")).to_have_count(count)
    curve = traces(page, "example-flips")["attacked one"]
    assert (curve["x"][-1], round(48 * curve["y"][-1])) == (eps, count)
    assert max(traces(page, "example-flips")["attacked one, at random"]["y"]) < curve["y"][-1]

    first = page.locator(".flip.flipped").first
    words = re.match(r"(\S+) → (\S+)", first.inner_text().strip())
    assert words
    first.click()
    expect(first).to_have_attribute("aria-pressed", "true")
    index = re.search(r"Example (\d+)", first.get_attribute("aria-label") or "")
    assert index
    expect(page.locator("#example-path-about")).to_contain_text(f"example {index[1]},")

    def after() -> list[str]:
        """The class likeliest in the end, as the lines have it."""
        lines = traces(page, "example-path")
        best = max(lines, key=lambda name: lines[name]["y"][-1], default="")
        return re.findall(rf"^class ({re.escape(words[2])})\b", best)

    until(after, PATIENCE_S, "the lines end at another class than the picture says")


def test_a_grid_over_both_budgets_never_rises_and_has_a_second_network_beside_it(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    page.goto(f"{explorer.url}/lab/attack?job={networks[0]}&moves=both&steps=2")
    expect(page.locator("#example-said")).to_contain_text("answered in", timeout=ANSWER_MS)
    expect(page.locator("#card-example-lines")).to_be_visible()
    expect(page.locator("#card-example-grid1")).to_be_hidden()
    page.locator("#example-peer").select_option("attacked two")
    page.wait_for_url(re.compile(rf"moves=both.*with={networks[1]}"))
    words = page.locator("#example-pictures")
    expect(words).to_contain_text("attacked two: ", timeout=ANSWER_MS)
    expect(page.locator("#example-said")).to_contain_text("answered in", timeout=ANSWER_MS)
    expect(page.locator("#card-example-grid1")).to_be_visible()
    expect(page.locator("#card-example-lines")).to_be_hidden()
    for card in ("example-grid0", "example-grid1"):
        z = until(lambda card=card: _whole(page, card), PATIENCE_S, f"{card} has gaps")
        columns = list(map(list, zip(*z, strict=True)))
        assert all(line == sorted(line, reverse=True) for line in [*z, *columns])
        assert z[-1][-1] < z[0][0] - 0.2, "the largest budgets cost nothing"
        assert f"{round(100 * z[0][0])} % right without a change" in words.inner_text()


def _whole(page: Page, card: str) -> Any:
    """The grid once every cell is known."""
    found = [trace["z"] for trace in page.evaluate(TRACES, card)]
    return found and not any(None in row for row in found[0]) and found[0]


def test_a_link_opens_the_same_example_on_two_networks(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    address = f"/lab/attack?job={networks[0]}&with={networks[1]}&example=3&steps=7&eps=0.2"
    page.goto(explorer.url + address)
    expect(page.locator("#example-said")).to_contain_text("at ε 0.2", timeout=ANSWER_MS)
    expect(page.locator(".example-row strong:first-child")).to_have_text(
        ["attacked one", "attacked two"]
    )
    expect(page.get_by_label("Example", exact=True)).to_have_value("3")
    expect(page.locator("#example-steps")).to_have_value("7")
    names = {"clean", "attacked", "other, clean", "other, attacked"}
    until(lambda: set(traces(page, "example-bars")) == names, PATIENCE_S, "bars are missing")


def pick(page: Page, control: str, *names: str) -> None:
    """Choose, or give up, options of one of the form's lists, by the keyboard."""
    for name in names:
        page.locator(control).press("ArrowDown")
        option = page.locator('[role="option"]:visible')
        option.filter(has_text=re.compile(rf"^{re.escape(name)}$")).first.click()
        page.keyboard.press("Escape")


IN_SIGHT = """() => {
    const run = document.querySelector('#attack-run');
    if (!run) return false;
    document.querySelector('.attack-form').scrollIntoView();
    const { top, bottom } = run.getBoundingClientRect();
    return top > 0 && bottom <= window.innerHeight;
}"""


def test_on_a_phone_the_button_stays_in_sight_while_the_form_is_seen(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{explorer.url}/lab/attack?job={networks[0]}")
    until(lambda: page.evaluate(IN_SIGHT), PATIENCE_S, "the button is out of sight")


def test_the_form_speaks_of_the_attack_chosen_and_its_results_too(
    page: Page, explorer: Explorer, networks: tuple[str, str]
) -> None:
    page.goto(f"{explorer.url}/lab/attack?job={networks[0]}")
    expect(page.locator("#attack-grid")).to_have_value("0, 0.02, 0.05, 0.1, 0.15, 0.2")
    expect(page.locator(".attack-form")).to_contain_text("ε, linf of the input's change")
    expect(page.locator("#attack-other")).to_be_hidden()
    pick(page, "#attack-names", "Transfer")
    expect(page.locator("#attack-other")).to_be_visible()
    expect(page.locator("#attack-error")).to_contain_text("transfer needs the job")
    pick(page, "#attack-other", "attacked two")
    expect(page.locator("#attack-error")).to_be_empty()
    expect(page.locator("#attack-curl")).to_contain_text(f'"transfer_from": "{networks[1]}"')

    pick(page, "#attack-names", "Transfer", "PGD", "Bit flips")
    grid = page.locator("#attack-grid")
    expect(grid).to_have_value("0, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025")
    expect(page.locator(".attack-form")).to_contain_text("Budgets (probability)")
    expect(page.locator("#attack-error")).to_be_empty()
    grid.fill("0, 0.01")
    grid.press("Tab")
    pick(page, "#attack-split", "validation")
    expect(page.locator("#attack-curl")).to_contain_text('"split": "validation"')
    expect(page.locator("#attack-curl")).to_contain_text('"eps_grid": [0.0, 0.01]')
    page.locator("#attack-run").click()
    expect(page.locator("#attack-status .state")).to_have_text("succeeded", timeout=ANSWER_MS)
    expect(page.locator("#card-attack-accuracy")).to_contain_text("60 validation examples")
    expect(page.locator("#attack-evaluation")).to_contain_text("scored again")
    label = "p, probability that a bit flips"
    until(lambda: page.evaluate(X_TITLE, "attack-accuracy") == label, PATIENCE_S, "another x axis")
    lines = set(traces(page, "attack-accuracy"))
    assert {"Bit flips", "Bit flips: mean accuracy of 10 draws"} <= lines
    expect(page.locator("#attack-gallery, #card-attack-loss")).to_have_count(0)
