"""One explorer for all end-to-end tests of a worker process, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from backend.local.install import find_browser
from tests.e2e.explorer import Explorer, running

expect.set_options(timeout=60_000)  # machines are noisy; nothing here measures time
PATIENCE_MS = 60_000
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def explorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explorer]:
    with running(tmp_path_factory.mktemp("explorer")) as explorer:
        yield explorer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with its module: while Playwright runs, no other event loop can in this process."""
    with sync_playwright() as playwright:
        path = find_browser()
        assert path, "no Chromium: `make test` installs one"
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def _told(message: ConsoleMessage) -> str:
    """With what it is about, such as the address that did not answer."""
    return f"{message.text} ({message.location['url']})"


@pytest.fixture
def page(explorer: Explorer, browser: Browser) -> Iterator[Page]:
    """A page that is let in; the test fails on any error in the browser's console."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("console", lambda m: errors.append(_told(m)) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
    page.goto(f"{explorer.url}/?token={explorer.token}")
    yield page
    context.close()
    assert not errors, errors
