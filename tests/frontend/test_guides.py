"""Home's experiments: a button that trains what is missing, a link where nothing is."""

from __future__ import annotations

import json
from typing import Any

from frontend.api import Catalog
from frontend.views import guides
from tests.frontend.conftest import components


def preset(catalog: Catalog) -> list[dict[str, Any]]:
    entry = next(e for e in catalog["entries"] if e["name"] == guides.PRESET)
    found: list[dict[str, Any]] = entry["facts"]["jobs"]
    return found


def finished(job: dict[str, Any], id: str) -> Any:
    """As the API tells it: with every default filled in."""
    spec = json.loads(json.dumps(job["spec"]))
    spec["optimizer"]["momentum"] = 0.9
    return {"id": id, "name": job["name"], "spec": {**spec, "seed": 0}}


def marks(catalog: Catalog, known: list[Any]) -> list[Any]:
    """Of every card, what its button asks for, or where its link leads."""
    found = []
    for card in guides.cards(catalog, known):
        for part in components(card):
            if "button" in (getattr(part, "className", "") or ""):
                told = getattr(part, "data-guide", None)
                found.append(json.loads(told) if told else part.href)
    return found


def test_without_jobs_every_button_trains_what_it_needs(catalog: Catalog) -> None:
    shift, attack, compare = marks(catalog, [])
    first, second = preset(catalog)
    assert shift["jobs"] == attack["jobs"] == [{**first, "tags": [guides.PRESET]}]
    *penalised, plain = compare["jobs"]
    assert [job["name"] for job in penalised] == [first["name"], second["name"]]
    assert plain["spec"] == {**first["spec"], "methods": [{"name": "cross_entropy"}]}
    assert (shift["waits"], compare["waits"]) == (True, False)


def test_a_finished_job_is_used_again(catalog: Catalog) -> None:
    first, second = preset(catalog)
    shift, attack, compare = marks(catalog, [finished(first, "a")])
    assert shift == "/lab/shift?job=a&s=2&guide=shift"
    assert attack == "/lab/attack?job=a&guide=attack"
    assert compare["jobs"][0] == "a"
    assert compare["jobs"][1]["name"] == second["name"]
    plain = finished(compare["jobs"][2], "c")
    *_, compare = marks(catalog, [plain, finished(second, "b"), finished(first, "a")])
    assert compare.startswith("/compare?jobs=a,b,c&name=norm/intrinsic,")


def test_a_job_of_another_spec_is_not_taken_for_it(catalog: Catalog) -> None:
    first, _ = preset(catalog)
    other = finished(first, "a")
    other["spec"]["methods"][1]["strength"] = 0.5
    assert guides.fitting(first, [other]) is None
    assert guides.fitting(first, [{**finished(first, "a"), "name": "mine"}]) is None
