"""Files under an address of their own are packed once and kept for a year; others are not."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from frontend import api
from frontend.app import create_app
from frontend.lasting import YEAR, lasting
from frontend.settings import Settings
from tests.frontend.conftest import ROOT, TOKEN, SmallApi

Api = tuple[SmallApi, str]
IN = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "gzip"}
SCRIPT = (ROOT / "frontend/assets/plots.js").read_bytes()


def test_a_script_is_packed_once_and_only_for_those_who_are_let_in(small_api: Api) -> None:
    address, url = "/assets/plots.js?m=17.5", small_api[1]

    async def visit() -> list[httpx.Response]:
        async with api.client(url) as http:
            transport = httpx.ASGITransport(create_app(Settings(api_url=url), http))
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as one:
                found = [await one.get(address, headers=IN) for _ in range(2)]
                found.append(await one.get(address, headers={**IN, "Accept-Encoding": "identity"}))
                found.append(await one.get(address))
                return [*found, await one.get("/assets/plots.js", headers=IN)]

    first, again, plain, stranger, changing = asyncio.run(visit())
    for answer in (first, again):
        assert answer.headers["cache-control"] == YEAR
        assert answer.headers["content-encoding"] == "gzip"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert first.content == again.content == plain.content == SCRIPT
    assert "content-encoding" not in plain.headers
    assert stranger.status_code == 401
    assert "cache-control" not in changing.headers


@pytest.mark.parametrize(
    ("path", "query", "lasts"),
    [
        ("/assets/plots.js", b"m=1795297473.683844", True),
        ("/assets/plots.js", b"m=1&x=1", False),
        ("/_dash-component-suites/dash/deps/react@18.v4_4_1m1795259379.3.1.min.js", b"", True),
        ("/_dash-component-suites/plotly/package_data/plotly.min.js", b"", False),
        ("/_dash-layout", b"", False),
        ("/jobs", b"m=1", False),
    ],
)
def test_what_lasts(path: str, query: bytes, lasts: bool) -> None:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query}
    assert lasting(scope) is lasts
    assert not lasting({**scope, "method": "POST"})
