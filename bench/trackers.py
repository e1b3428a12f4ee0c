"""The same curves in Normscope and in other trackers, in one browser and in turns.

Each peer gets a virtual environment of its own in a temporary folder, with the version pinned
here; without a network, or where it does not install, its row says so. The figures to compare are
those of one run: a noisy machine disturbs all alike. BENCH_POINTS makes the curves shorter.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from playwright.sync_api import BrowserContext, sync_playwright

from backend.local.install import find_browser
from bench import browser as ours
from bench.eye import middle, opened, watched, worst
from bench.peers import aim_explorer
from bench.table import Row
from tests.broker import running_broker
from tests.e2e.conftest import FLAGS
from tests.e2e.explorer import Explorer, free_port, running, until
from worker.broker import connect
from worker.contract.events import Teller
from worker.sinks import RedisStream

RUNS, TURNS = 100, 3
POINTS = int(os.environ.get("BENCH_POINTS", "10000"))
NAMES = ("train/loss", "test/loss", "norm")
PEERS = Path(__file__).with_name("peers")
INSTALL_S, LOG_S = 600, 3600


@dataclass(frozen=True)
class Tracker:
    """Where a tracker shows its runs and the overlay of one measurement, and what to look for."""

    name: str
    package: str
    serve: str
    runs: str
    listed: str
    overlay: str
    drawn: str


TENSORBOARD = Tracker(
    "TensorBoard",
    "tensorboard==2.21.0",
    "tensorboard --logdir {folder} --host 127.0.0.1 --port {port}",
    "/#timeseries",
    f"() => document.querySelectorAll('tb-data-table-content-row').length >= {RUNS}",
    "/?tagFilter=train%2Floss#timeseries",
    f"""() => [...document.querySelectorAll('card-view')].some(
        (card) => card.querySelectorAll('path[d]').length >= {2 * RUNS})""",
)
AIM = Tracker(
    "Aim",
    "aim==3.29.1",
    "aim up -y --repo {folder} --host 127.0.0.1 --port {port}",
    "/runs",
    "() => /run0\\d\\d/.test(document.body?.innerText)",
    aim_explorer.address(NAMES[0]),
    f"() => document.querySelectorAll('svg path.Line').length >= {RUNS}",
)


def rows() -> Iterator[Row]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        explorer = stack.enter_context(running(folder / "normscope"))
        jobs = ours.fill(explorer, RUNS, RUNS, POINTS, NAMES)
        playwright = stack.enter_context(sync_playwright())
        # TensorBoard's lines can be counted where it draws them as SVG: where there is no WebGL.
        flags = [*FLAGS, "--disable-3d-apis"]
        chromium = playwright.chromium.launch(executable_path=find_browser(), args=flags)
        stack.callback(chromium.close)
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        yield Row(f"Normscope: {RUNS} runs, {len(NAMES)} series of {POINTS:,}", logged(folder))
        for tracker in (TENSORBOARD, AIM):
            yield from against(tracker, folder / tracker.name, context, explorer, jobs)


def logged(folder: Path) -> str:
    """Points a second through the worker's sink, to the broker."""
    with running_broker(folder / "broker") as broker:
        client = connect(broker.url)
        sink = RedisStream(client, "bench", folder / "sink")
        tell = Teller("bench")
        began = time.perf_counter()
        for step in range(POINTS):
            sink.put(tell.measured(step, step / POINTS, dict.fromkeys(NAMES, 1 / (1 + step))))
        sink.close()
        seconds = time.perf_counter() - began
        client.close()
    return f"{len(NAMES) * POINTS / seconds:,.0f} points/s"


def against(
    tracker: Tracker, folder: Path, context: BrowserContext, explorer: Explorer, jobs: list[str]
) -> Iterator[Row]:
    """How fast a tracker logs, lists and draws, and how many times longer than ours it takes."""
    folder.mkdir()
    if problem := install(tracker, folder):
        yield Row(tracker.name, "skipped", note=problem)
        return
    yield Row(f"{tracker.name}: the same logged", log(tracker, folder))
    token = f"{explorer.url}/?token={explorer.token}"
    context.new_page().goto(token)
    compare = f"{explorer.url}/compare?jobs={','.join(jobs)}&name={NAMES[0]}"
    with serving(tracker, folder) as url:
        pages = (
            ("runs listed", f"{explorer.url}/jobs", ours.ROWS, tracker.runs, tracker.listed),
            (f"{RUNS} runs overlaid", compare, ours.DRAWN, tracker.overlay, tracker.drawn),
        )
        for what, mine, look, path, its_look in pages:
            our_page, its_page = watched(context, look), watched(context, its_look)
            both = [(opened(our_page, mine), opened(its_page, url + path)) for _ in range(TURNS)]
            we, they = ([pair[side] for pair in both] for side in (0, 1))
            ratio = f"{middle(they) / middle(we):.1f} times ours, {worst(we)}"
            yield Row(f"  {what}", worst(they), "5 times ours", ratio)
            our_page.close()
            its_page.close()


def install(tracker: Tracker, folder: Path) -> str | None:
    """Into a virtual environment; what went wrong, in a line."""
    made = subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=False)
    pip = [folder / "venv/bin/pip", "install", "--quiet", "--retries", "1", tracker.package]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        return f"{tracker.package} was not installed in {INSTALL_S} s"
    if made.returncode or done.returncode:
        return f"{tracker.package} could not be installed: is there a network?"
    return None


def log(tracker: Tracker, folder: Path) -> str:
    """Points a second through the tracker's own client."""
    script = PEERS / f"{tracker.name.lower()}_log.py"
    command = [folder / "venv/bin/python", script, folder / "data", RUNS, POINTS, ",".join(NAMES)]
    (folder / "data").mkdir()
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        text=True,
        timeout=LOG_S,
        check=True,
    )
    seconds = float(done.stdout.split()[-1])
    return f"{RUNS * POINTS * len(NAMES) / seconds:,.0f} points/s"


@contextmanager
def serving(tracker: Tracker, folder: Path) -> Iterator[str]:
    """The address of the tracker's own server."""
    port = free_port()
    command = tracker.serve.format(folder=folder / "data", port=port).split()
    command[0] = str(folder / "venv/bin" / command[0])
    with (folder / "log").open("w") as log_file:
        server = subprocess.Popen(command, stdout=log_file, stderr=log_file, cwd=folder)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _answers(url), 120, f"{tracker.name} does not answer")
        yield url
    finally:
        family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
        for process in family:
            process.kill()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, follow_redirects=True, timeout=5).is_success
    except httpx.HTTPError:
        return False
