"""A page asks for the explorer's scripts and styles at one address each, and both are whole."""

from __future__ import annotations

import asyncio
import re

import httpx

from frontend import api
from frontend.app import create_app
from frontend.lasting import YEAR
from frontend.settings import Settings
from tests.frontend.conftest import ROOT, TOKEN, SmallApi

IN = {"Authorization": f"Bearer {TOKEN}", "Accept-Encoding": "gzip"}
ASSETS = ROOT / "frontend/assets"


def test_a_page_has_every_script_and_style_of_the_explorer_once(
    small_api: tuple[SmallApi, str],
) -> None:
    url = small_api[1]

    async def visit() -> tuple[str, list[httpx.Response]]:
        async with api.client(url) as http:
            transport = httpx.ASGITransport(create_app(Settings(api_url=url), http))
            base = "http://localhost"
            async with httpx.AsyncClient(transport=transport, base_url=base, headers=IN) as one:
                page = (await one.get("/jobs")).text
                asked = re.findall(r'(?:src|href)="(/assets/[^"]+[.](?:js|css)[^"]*)"', page)
                return page, [await one.get(address) for address in asked]

    page, answers = asyncio.run(visit())
    assert page.count("/assets/all.") == 2
    for answer in answers:
        assert answer.status_code == 200, answer.url
        if answer.url.path.startswith("/assets/all."):
            assert answer.headers["cache-control"] == YEAR
    for suffix in ("js", "css"):
        found = [a.content for a in answers if a.url.path.endswith(suffix)]
        for file in ASSETS.glob(f"*.{suffix}"):
            assert sum(content.count(file.read_bytes()) for content in found) == 1, file.name
