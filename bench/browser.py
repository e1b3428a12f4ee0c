"""The pages at scale in a real browser: 10,000 jobs in the table, 100 runs in one plot."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright
from sqlalchemy import insert, select

from backend.local.install import find_browser
from backend.store.engine import Store, open_store
from backend.store.tables import job, point, series
from bench.table import Row
from tests.e2e.conftest import FLAGS
from tests.e2e.explorer import Explorer, running, until
from worker.contract.settings import Settings

JOBS, OVERLAID, POINTS, TURNS = 10_000, 100, 10_000, 5
FIRST_ROW = """() => document.querySelector('#jobs-grid .ag-row[row-index="0"]')?.innerText"""
DRAWN = """() => (document.querySelector('#card-cmp-train-loss .js-plotly-plot')?.data ?? [])
    .filter((trace) => (trace.x || []).length).length"""
PAN = """async () => {
    const plot = document.querySelector('#card-cmp-train-loss .js-plotly-plot');
    const frames = [];
    for (let turn = 0; turn < 20; turn += 1) {
        const began = performance.now();
        await window.Plotly.relayout(plot, { 'xaxis.range': [100 * turn, 5000 + 100 * turn] });
        frames.push(performance.now() - began);
    }
    return frames.sort((a, b) => a - b)[10]; }"""


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as folder, running(Path(folder)) as explorer:
        overlaid = fill(explorer)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            page.goto(f"{explorer.url}/?token={explorer.token}")
            yield from table(page, explorer)
            yield from plot(page, explorer, overlaid)
            browser.close()


def fill(explorer: Explorer) -> list[str]:
    """One job's row 10,000 times, and 10,000 points for each of 100 of them: their ids."""
    spec = {"dataset": {"name": "moons"}, "model": {"name": "mlp"}, "epochs": 1}
    with explorer.client() as client:
        made = client.post("/jobs", json={"kind": "train", "spec": spec}).raise_for_status().json()
    explorer.wait_job(made["id"])
    store = open_store(Settings(data_dir=explorer.data_dir))
    with store.write() as connection:
        row = dict(connection.execute(select(job)).mappings().one())
        copies = [
            {**row, "id": f"copy{at:08}", "name": f"run {at:05}", "created_at": 1e9 + at}
            for at in range(JOBS)
        ]
        connection.execute(insert(job), copies)
    overlaid = [copy["id"] for copy in copies[:OVERLAID]]
    for at, id in enumerate(overlaid):
        curve(store, id, at)
    store.close()
    return overlaid


def curve(store: Store, id: str, seed: int) -> None:
    """A falling, noisy loss."""
    noise = random.Random(seed)
    with store.write() as connection:
        named = insert(series).values(job=id, attempt=1, name="train/loss").returning(series.c.id)
        key = connection.execute(named).scalar_one()
        values = [
            {"series": key, "seq": at, "step": at, "epoch": at / 100, "time": 1e9 + at}
            | {"value": 2 / (1 + at / 500) + 0.1 * noise.random()}
            for at in range(1, POINTS + 1)
        ]
        connection.execute(insert(point), values)


def table(page: Page, explorer: Explorer) -> Iterator[Row]:
    opened, sorts, filters = [], [], []
    for turn in range(TURNS):
        began = time.perf_counter()
        page.goto(f"{explorer.url}/jobs", wait_until="commit")
        until(lambda: page.evaluate(FIRST_ROW), 60, "no rows")
        opened.append(time.perf_counter() - began)
        sorts.append(sort(page))
        filters.append(search(page, f"run {1000 + turn:05}"))
    yield Row(f"Jobs with {JOBS:,} jobs, opened", worst(opened), "<= 1000 ms")
    yield Row("  sorted by a click", worst(sorts), "<= 300 ms")
    yield Row("  searched, with 250 ms to stop typing", worst(filters), "<= 300 ms")


def sort(page: Page) -> float:
    """Seconds from a click to another first row."""
    before = page.evaluate(FIRST_ROW)
    began = time.perf_counter()
    page.locator('#jobs-grid .ag-header-cell[col-id="name"]').click()
    until(lambda: page.evaluate(FIRST_ROW) not in (before, None), 60, "not sorted")
    return time.perf_counter() - began


def search(page: Page, wanted: str) -> float:
    began = time.perf_counter()
    page.get_by_label("Search jobs").fill(wanted)
    until(lambda: wanted in (page.evaluate(FIRST_ROW) or ""), 60, "not filtered")
    return time.perf_counter() - began


def plot(page: Page, explorer: Explorer, jobs: list[str]) -> Iterator[Row]:
    drawn = []
    for _ in range(TURNS):
        began = time.perf_counter()
        address = f"{explorer.url}/compare?jobs={','.join(jobs)}&name=train/loss"
        page.goto(address, wait_until="commit")
        until(lambda: page.evaluate(DRAWN) == OVERLAID, 120, "not all runs are drawn")
        drawn.append(time.perf_counter() - began)
    what = f"{OVERLAID} runs of {POINTS:,} points overlaid, page and all"
    yield Row(what, worst(drawn), "<= 1500 ms")
    yield Row("  moved along, median frame", f"{page.evaluate(PAN):.0f} ms", "smooth")


def worst(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    middle, last = (1000 * ordered[at] for at in (len(ordered) // 2, -1))
    return f"{middle:.0f} ms, worst {last:.0f}"
