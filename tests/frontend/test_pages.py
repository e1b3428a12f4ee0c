"""Layouts by their ids, and the pure functions that fill them."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import dash
import httpx
import pytest
from fastapi import FastAPI

from frontend import frame, ids
from frontend.api import Api, ApiError, Catalog, Entry
from frontend.app import dash_app
from frontend.views import entries, finding
from tests.frontend.conftest import ROOT, TOKEN, SmallApi, by_id, components

PAGES = (
    *("home", "launch", "jobs", "catalogue", "not_found_404"),
    *("compare", "sweeps", "sweep", "shift", "attack", "operator"),
)


@pytest.fixture(scope="module")
def app() -> dash.Dash:
    return dash_app(FastAPI())


def page(name: str) -> dict[str, Any]:
    found: dict[str, Any] = dash.page_registry[f"frontend.pages.{name}"]
    return found


def named(layout: Any) -> list[str]:
    return [str(part.id) for part in components(layout) if getattr(part, "id", None) is not None]


def test_no_id_is_used_twice_on_a_page(app: dash.Dash) -> None:
    around = named(app.layout)
    for name in PAGES:
        together = around + named(page(name)["layout"]())
        assert len(together) == len(set(together)), name


def test_every_page_has_one_heading(app: dash.Dash) -> None:
    for name in PAGES:
        headings = [part for part in components(page(name)["layout"]()) if part._type == "H1"]
        assert len(headings) == 1, name


def test_the_rail_leads_only_to_pages_that_exist(app: dash.Dash) -> None:
    paths = {entry["path"] for entry in dash.page_registry.values()}
    rail = by_id(app.layout, ids.RAIL)
    links = [part for part in components(rail) if getattr(part, "className", "") == "rail-link"]
    assert len(links) == sum(len(group) for group in frame.RAIL.values())
    leading = {part.href for part in links if hasattr(part, "href")}
    assert {"/", "/launch", "/jobs", "/catalogue", "/compare"} <= leading <= paths
    assert {"/lab/shift", "/lab/attack"} <= leading
    templates = {entry["path_template"] for entry in dash.page_registry.values()}
    assert "/sweeps" in paths
    assert "/sweeps/<sweep_id>" in templates


def test_ids_that_scripts_look_up_exist(app: dash.Dash) -> None:
    layouts = [app.layout, *(page(name)["layout"]() for name in PAGES)]
    known = {name for layout in layouts for name in named(layout)}
    for script in ("shell.js", "jobs.js", "launch.js"):
        text = (ROOT / "frontend/assets" / script).read_text()
        assert set(re.findall(r'byId\("([\w-]+)"\)', text)) <= known, script


def test_the_filters_of_jobs_come_from_the_address(app: dash.Dash) -> None:
    layout = page("jobs")["layout"](state="failed,bogus", q="weissi", sort="name", tag="t")
    assert by_id(layout, ids.JOBS_STATE).value == ["failed"]
    assert by_id(layout, ids.JOBS_SEARCH).value == "weissi"
    sorts = {c["colId"]: c.get("sort") for c in by_id(layout, ids.JOBS_GRID).columnDefs}
    assert (sorts["name"], sorts["created_at"]) == ("asc", None)


def test_the_catalogue_is_searched_by_every_word(app: dash.Dash, catalog: Catalog) -> None:
    from frontend.pages.catalogue import listed

    def found(q: str) -> list[str]:
        return [entry["name"] for entry in finding.found(catalog["entries"], q)]

    assert "weissi" in found("invariant STRENGTH")
    assert found("invariant nonsense") == []
    assert found("") == [entry["name"] for entry in catalog["entries"]]
    shown = listed(catalog["entries"], "weissi", "method")
    assert shown[0] == "method/weissi"
    assert all(key.startswith("method/") for key in shown)


@pytest.mark.parametrize(
    ("q", "first"), [("sam", "sam"), ("fgsm", "fgsm"), ("path norm", "path_norm")]
)
def test_what_is_called_so_comes_before_what_tells_of_it(
    catalog: Catalog, q: str, first: str
) -> None:
    names = [entry["name"] for entry in finding.found(catalog["entries"], q)]
    assert names[0] == first
    assert len(names) < 15, "sample and same are not SAM"


def test_a_catalogue_card_tells_paper_and_parameters(catalog: Catalog) -> None:
    entry: Entry = next(e for e in catalog["entries"] if e["name"] == "weissi")
    card = entries.card(entry)
    assert card["paper"][1] == "2008.02965"
    two = entries.card({**entry, "paper": "SAM arXiv:2010.01412, ASAM arXiv:2102.11600"})["paper"]
    assert two == ["SAM ", "2010.01412", ", ASAM ", "2102.11600", ""]
    assert [row[0] for row in card["parameters"]] == list(entry["schema"]["properties"])
    assert [row[1:4] for row in card["parameters"] if row[0] == "strength"] == [
        ["real", "0.01", "0 to 1000"]
    ]


def test_a_problem_document_becomes_an_error(small_api: tuple[SmallApi, str]) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(base_url=small_api[1]) as http:
            await Api(http, TOKEN)._call("POST", "/refused")

    with pytest.raises(ApiError) as caught:
        asyncio.run(ask())
    error = caught.value
    assert (error.status, error.sentence) == (422, "one field")
    assert error.errors == [{"field": "spec.epochs", "message": "too few"}]


def test_an_api_that_is_away_is_an_error_503() -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(base_url="http://127.0.0.1:9") as http:
            await Api(http, TOKEN).catalog()

    with pytest.raises(ApiError) as caught:
        asyncio.run(ask())
    assert caught.value.status == 503
