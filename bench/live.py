"""What a Compare of 20 running jobs costs a browser while points come in, after short and long
histories: it should be in proportion to the new points alone."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import redis
from playwright.sync_api import BrowserContext, CDPSession, sync_playwright
from sqlalchemy import update

from backend.local.install import find_browser
from backend.store.engine import open_store
from backend.store.tables import job
from bench.browser import fill
from bench.eye import opened, watched
from bench.peers.curve import curve
from bench.table import Row
from tests.broker import running_broker
from tests.e2e.conftest import FLAGS
from tests.e2e.explorer import Explorer, running, until
from worker.contract.events import Teller, to_json
from worker.contract.settings import Settings
from worker.contract.wire import BELL, lease_key, lease_value, stream_key

RUNNING, SECONDS, EACH_S, TURN_S = 20, 15.0, 10, 0.2
HISTORIES = (100, 10_000)
DRAWN = f"""() => document.querySelector(
    '#card-cmp-train-loss .chart')?.chart?.painted === {RUNNING}"""
LAST = """() => Math.max(...(document.querySelector('#card-cmp-train-loss .chart')?.chart?.spec
    ?.marks ?? []).map((mark) => mark.x[mark.x.length - 1]))"""


@dataclass
class Traffic:
    """What a page asks for and receives, since it was last set to zero."""

    bytes: float = 0
    requests: list[str] = field(default_factory=list)

    def listen(self, session: CDPSession) -> None:
        session.send("Network.enable")
        session.on("Network.dataReceived", self._received)
        session.on("Network.requestWillBeSent", self._asked)

    def _received(self, event: dict[str, float]) -> None:
        self.bytes += event["dataLength"]

    def _asked(self, event: dict[str, dict[str, str]]) -> None:
        self.requests.append(event["request"]["url"])


def rows() -> Iterator[Row]:
    for history in HISTORIES:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory()))
            broker = stack.enter_context(running_broker(folder / "broker"))
            explorer = stack.enter_context(running(folder / "data", NORMSCOPE_REDIS_URL=broker.url))
            client = stack.enter_context(broker.client())
            jobs = begin(explorer, client, history)
            playwright = stack.enter_context(sync_playwright())
            chromium = playwright.chromium.launch(executable_path=find_browser(), args=FLAGS)
            stack.callback(chromium.close)
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            yield watch(context, explorer, client, jobs, history)


def begin(explorer: Explorer, client: redis.Redis, history: int) -> list[str]:
    """Jobs that run, as far as anybody can tell, with their first points in the store."""
    jobs = fill(explorer, RUNNING, RUNNING, history)
    store = open_store(Settings(data_dir=explorer.data_dir))
    state = {"state": "running", "ended_at": None, "told_attempt": 1, "told_seq": history}
    for id in jobs:
        client.set(lease_key(id), lease_value(1, "bench"), px=600_000)
    with store.write() as connection:
        connection.execute(update(job).where(job.c.id.in_(jobs)).values(**state, stream_id="0-0"))
    store.close()
    return jobs


def watch(
    context: BrowserContext, explorer: Explorer, client: redis.Redis, jobs: list[str], history: int
) -> Row:
    context.new_page().goto(f"{explorer.url}/?token={explorer.token}")
    page = watched(context, DRAWN)
    opened(page, f"{explorer.url}/compare?jobs={','.join(jobs)}&name=train/loss")
    until(lambda: page.evaluate(LAST) == history, 60, "not the history")
    session, traffic = context.new_cdp_session(page), Traffic()
    traffic.listen(session)
    session.send("Performance.enable")
    busy = -_busy(session)
    end = tell(client, jobs, history)
    until(lambda: page.evaluate(LAST) == end, 60, "not the last point")
    busy += _busy(session)
    return _row(history, RUNNING * (end - history), traffic, busy)


def tell(client: redis.Redis, jobs: list[str], history: int) -> int:
    """Every job's new points as a worker's sink tells them; their last step."""
    tellers = {id: Teller(id) for id in jobs}
    for id, teller in tellers.items():
        teller.seq = history
        client.xadd(BELL, {"job": id})
    at, began = history, time.monotonic()
    values = curve(0, history + int(2 * SECONDS * EACH_S))
    while (passed := time.monotonic() - began) < SECONDS:
        while at < history + passed * EACH_S:
            at, value = at + 1, next(values)
            for id, teller in tellers.items():
                event = to_json(teller.measured(at, at / 100, {"train/loss": value}))
                client.xadd(stream_key(id), {"events": json.dumps([event])})
        time.sleep(TURN_S)
    return at


def _busy(session: CDPSession) -> float:
    """Seconds that the page's main thread has worked."""
    found = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in found if one["name"] == "TaskDuration")


def _row(history: int, points: int, traffic: Traffic, busy: float) -> Row:
    reads = sum("/overlay" in url or "/measurements" in url for url in traffic.requests)
    return Row(
        f"{RUNNING} running jobs compared after {history:,} points each",
        f"{traffic.bytes / points:.0f} bytes a point",
        "new points alone",
        f"{points:,} points; curves read again {reads} times; the page worked "
        f"{1000 * busy / points:.2f} ms a point",
    )
