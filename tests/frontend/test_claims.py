"""Papers and claims as they are laid out, before the script fills them."""

from __future__ import annotations

from typing import Any

import pytest
from dash import Dash
from fastapi import FastAPI

from frontend.app import dash_app
from frontend.views import claims
from tests.frontend.conftest import components


@pytest.fixture(scope="module")
def app() -> Dash:
    return dash_app(FastAPI())


def claim(**more: Any) -> Any:
    test = {"kind": "greater", "label": "accuracy", "names": ["a", "b"], "of": 0, "than": 1}
    told = {"name": "a_claim", "title": "It helps", "claim": "They say.", "means": "We measure."}
    state = {"runs": [], "verdict": "undecided", "attack": None, "points": []}
    return {**told, **state, "test": test, **more}


def test_a_verdict_is_only_told_of_runs() -> None:
    assert claims.verdict(claim()) == "not tested yet"
    assert claims.verdict(claim(runs=["x"])) == "undecided"
    assert claims.verdict(claim(runs=["x"], verdict="does not hold")) == "does not hold"


def test_the_cost_is_told_before_anything_starts() -> None:
    told = claims.cost({"runs": 15, "seconds": 9.4, "attack_seconds": 1.2})
    assert "15 runs, about 9.4 s of training, then an attack on each, about 1.2 s in all" in told
    assert "attack" not in claims.cost({"runs": 6, "seconds": 0.8, "attack_seconds": 0.0})
    assert "cannot" in claims.cost(None)


def test_a_claim_has_its_words_and_every_button_waits_for_the_script() -> None:
    section = claims.text(claim(), "a cost")
    texts = [str(part.children) for part in components(section) if part._type == "Dd"]
    assert texts[:3] == ["They say.", "We measure.", "a cost"]
    buttons = [part for part in components(section) if part._type == "Button"]
    assert [getattr(button, "data-do") for button in buttons] == ["run", "attack", "cancel"]
    assert all(button.hidden for button in buttons)


def test_a_paper_on_the_list_leads_to_its_page(app: Dash) -> None:
    from frontend.pages.papers import listed

    told = {"name": "p", "short": "P", "authors": "A", "arxiv": "1", "idea": "i"}
    card = listed({**told, "claims": [claim(), claim(runs=["x"], verdict="holds")]})  # type: ignore[typeddict-item]
    assert card.href == "/papers/p"
    said = [
        part.children
        for part in components(card)
        if "claim-verdict" in (getattr(part, "className", "") or "")
    ]
    assert said == ["not tested yet", "holds"]
