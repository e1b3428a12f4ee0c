"""When something is first seen in a page, by the page's own clock: the same eye for every page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.e2e.explorer import until

PATIENCE_S = 180.0
LOOKING = """(look) => {
    const seen = (window.benchSeen = { began: 0, at: null });
    const begin = (event) => (seen.began = event.timeStamp);
    const once = { capture: true, once: true };
    for (const kind of ["click", "input"]) addEventListener(kind, begin, once);
    const frame = () => {
        if (look()) seen.at = performance.now();
        else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
}"""
SEEN = "() => window.benchSeen && window.benchSeen.at !== null && window.benchSeen"


def watched(context: BrowserContext, look: str) -> Page:
    """A new page in which `look`, a function in JavaScript, is asked at every frame."""
    page = context.new_page()
    page.add_init_script(f"({LOOKING})({look})")
    return page


def opened(page: Page, address: str) -> float:
    """Seconds from an address until what its page watches for is true at a frame."""
    page.bring_to_front()  # a page behind another is given no frames
    page.goto("about:blank")
    page.goto(address, wait_until="commit", timeout=1000 * PATIENCE_S)
    return _seconds(page)


def acted(page: Page, act: Callable[[], Any], look: str) -> float:
    """Seconds from the first click or input of `act` until `look` is true at a frame."""
    page.evaluate(f"() => ({LOOKING})({look})")
    act()
    return _seconds(page)


def _seconds(page: Page) -> float:
    seen = until(lambda: page.evaluate(SEEN), PATIENCE_S, "never seen")
    return float(seen["at"] - seen["began"]) / 1000


def worst(seconds: Sequence[float]) -> str:
    """The median and the worst."""
    return f"{1000 * middle(seconds):.0f} ms, worst {1000 * max(seconds):.0f}"


def middle(seconds: Sequence[float]) -> float:
    return sorted(seconds)[len(seconds) // 2]
