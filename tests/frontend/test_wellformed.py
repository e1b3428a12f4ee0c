"""What is posted to Dash and is no callback's request: told so, and nobody's fault in the log."""

from __future__ import annotations

import json
import logging
from typing import Any

import httpx
import pytest

from frontend import api
from frontend.app import create_app
from frontend.serve import expected
from frontend.settings import Settings
from tests.frontend.conftest import TOKEN, SmallApi

TWO: list[Any] = [
    {"id": "catalogue-search", "property": "value"},
    {"id": "catalogue-kind", "property": "value"},
]
SHOW = {"output": "catalogue-found.data", "inputs": TWO, "changedPropIds": []}
SHOW["outputs"] = {"id": "catalogue-found", "property": "data"}
ODD: list[Any] = [
    b"x",
    b"{" * 100_000,
    None,
    [],
    {},
    {**SHOW, "output": 3},
    {**SHOW, "output": "nobody.children"},
    {**SHOW, "inputs": []},
    {**SHOW, "inputs": 3},
    {**SHOW, "inputs": [*TWO, TWO[0]]},
    {**SHOW, "inputs": ["q", "kind"]},
    {**SHOW, "inputs": [[1], [2]]},
    {**SHOW, "state": [TWO[0]]},
    {**SHOW, "outputs": 3},
    {**SHOW, "changedPropIds": 5},
]


async def post(url: str, body: Any, content_type: str = "application/json") -> httpx.Response:
    async with api.client(url) as http:
        transport = httpx.ASGITransport(create_app(Settings(api_url=url), http))
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": content_type}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as visitor:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            path = "/_dash-update-component"
            return await visitor.post(path, content=raw, headers=headers)


@pytest.mark.anyio
@pytest.mark.parametrize("body", ODD, ids=lambda body: str(body)[:40])
async def test_a_malformed_request_is_a_400(
    small_api: tuple[SmallApi, str], body: Any, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await post(small_api[1], body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


@pytest.mark.anyio
async def test_a_callback_wants_json_and_a_good_request_passes(
    small_api: tuple[SmallApi, str],
) -> None:
    assert (await post(small_api[1], SHOW, "text/plain")).status_code == 400
    answer = await post(small_api[1], SHOW)
    assert answer.status_code == 200
    assert "catalogue-found" in answer.json()["response"]


@pytest.mark.parametrize(
    ("line", "kept"),
    [("Unsupported upgrade request.", False), ("Something else.", True)],
)
def test_a_question_for_a_web_socket_is_no_line_in_the_log(line: str, kept: bool) -> None:
    assert expected(logging.makeLogRecord({"msg": line})) is kept
