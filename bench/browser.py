"""The pages at scale in a real browser: 10,000 jobs in the table, 100 runs in one plot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright
from sqlalchemy import insert, select

from backend.local.install import find_browser
from backend.store.engine import Store, open_store
from backend.store.tables import job, point, series
from bench.eye import acted, opened, watched, worst
from bench.peers.curve import curve
from bench.table import Row
from tests.e2e.conftest import FLAGS
from tests.e2e.explorer import Explorer, running
from worker.contract.settings import Settings

JOBS, OVERLAID, POINTS, TURNS = 10_000, 100, 10_000, 5
FIRST = """document.querySelector('#jobs-grid .ag-row[row-index="0"]')?.innerText.trim()"""
ROWS = f"() => {FIRST}"
DRAWN = f"""() => document.querySelector(
    '#card-cmp-train-loss .chart')?.chart?.painted === {OVERLAID}"""
FRAMES = """() => {
    const frames = (window.benchFrames = []);
    let last = performance.now();
    const frame = (now) => { frames.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame); }"""


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder, running(Path(folder)) as explorer:
        overlaid = fill(explorer)
        with sync_playwright() as playwright, known(playwright, explorer) as context:
            yield from table(context, explorer)
            yield from plot(context, explorer, overlaid)
        with sync_playwright() as playwright:
            new = [first(playwright, explorer) for _ in range(TURNS)]
    yield Row(f"Jobs with {JOBS:,} jobs, first visit of a new browser", worst(new), "")


@contextmanager
def known(playwright: Playwright, explorer: Explorer) -> Iterator[BrowserContext]:
    """A browser that is let in, with a profile on disk: it keeps files and what it compiled of
    them, as a person's does and a private window's does not."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=find_browser(),
            args=FLAGS,
            viewport={"width": 1440, "height": 900},
        )
        context.new_page().goto(f"{explorer.url}/?token={explorer.token}")
        yield context
        context.close()


def first(playwright: Playwright, explorer: Explorer) -> float:
    browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.request.get(f"{explorer.url}/?token={explorer.token}")  # the cookie and no scripts
    seconds = opened(watched(context, ROWS), f"{explorer.url}/jobs")
    browser.close()
    return seconds


def fill(
    explorer: Explorer,
    count: int = JOBS,
    measured: int = OVERLAID,
    points: int = POINTS,
    names: Sequence[str] = ("train/loss",),
) -> list[str]:
    """One job's row `count` times, and curves for the first `measured` of them: their ids."""
    spec = {"dataset": {"name": "moons"}, "model": {"name": "mlp"}, "epochs": 1}
    with explorer.client() as client:
        made = client.post("/jobs", json={"kind": "train", "spec": spec}).raise_for_status().json()
    explorer.wait_job(made["id"])
    store = open_store(Settings(data_dir=explorer.data_dir))
    with store.write() as connection:
        row = dict(connection.execute(select(job)).mappings().one())
        copies = [
            {**row, "id": f"copy{at:08}", "name": f"{at:05} run", "created_at": 1e9 + at}
            for at in range(count)
        ]
        connection.execute(insert(job), copies)
    found = [copy["id"] for copy in copies[:measured]]
    for at, id in enumerate(found):
        for name in names:
            measure(store, id, name, curve(at, points))
    store.close()
    return found


def measure(store: Store, id: str, name: str, values: Iterable[float]) -> None:
    with store.write() as connection:
        named = insert(series).values(job=id, attempt=1, name=name).returning(series.c.id)
        key = connection.execute(named).scalar_one()
        rows = [
            {"series": key, "seq": at, "step": at, "epoch": at / 100, "time": 1e9 + at, "value": v}
            for at, v in enumerate(values, 1)
        ]
        connection.execute(insert(point), rows)


def table(context: BrowserContext, explorer: Explorer) -> Iterator[Row]:
    opening, coming, sorting, searching = [], [], [], []
    page = watched(context, ROWS)
    for turn in range(TURNS):
        coming.append(come(page, explorer))
        opening.append(opened(page, f"{explorer.url}/jobs"))
        sorting.append(sort(page))
        searching.append(search(page, f"{1000 + turn:05} run"))
    yield Row(f"Jobs with {JOBS:,} jobs, opened by its address", worst(opening), "<= 1000 ms")
    yield Row("  opened by a click on another page", worst(coming), "<= 1000 ms")
    yield Row("  sorted by a click", worst(sorting), "<= 300 ms")
    yield Row("  searched", worst(searching), "<= 300 ms")


def come(page: Page, explorer: Explorer) -> float:
    """Seconds from a click on Jobs in another page's navigation to the first row."""
    page.goto(f"{explorer.url}/catalogue")
    link = page.get_by_role("navigation").get_by_role("link", name="Jobs", exact=True)
    link.wait_for()
    return acted(page, link.click, ROWS)


def sort(page: Page) -> float:
    """Seconds from a click to another first row."""
    before = page.evaluate(f"() => {FIRST}")
    header = page.locator('#jobs-grid .ag-header-cell[col-id="name"]')
    return acted(page, header.click, f"() => {FIRST} && {FIRST} !== {json.dumps(before)}")


def search(page: Page, wanted: str) -> float:
    box = page.get_by_label("Search jobs")
    return acted(page, lambda: box.fill(wanted), f"() => {FIRST}?.includes('{wanted}')")


def plot(context: BrowserContext, explorer: Explorer, jobs: list[str]) -> Iterator[Row]:
    address = f"{explorer.url}/compare?jobs={','.join(jobs)}&name=train/loss"
    page = watched(context, DRAWN)
    drawn = [opened(page, address) for _ in range(TURNS)]
    what = f"{OVERLAID} runs of {POINTS:,} points overlaid, page and all"
    yield Row(what, worst(drawn), "<= 1500 ms")
    yield Row("  dragged along, a frame", worst(pan(page)), "smooth")


def pan(page: Page) -> list[float]:
    """The frames' seconds while a mouse drags the plot along."""
    place = page.locator("#card-cmp-train-loss .chart-plane").first
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    page.mouse.move(across, down)
    page.mouse.down()
    page.evaluate(FRAMES)
    for turn in range(60):
        page.mouse.move(across - 4 * turn, down)
    frames: list[float] = page.evaluate("() => window.benchFrames")
    page.mouse.up()
    page.keyboard.up("Shift")
    return [frame / 1000 for frame in frames]
