"""The page of bounds: what it draws of a training, what its buttons ask for."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from frontend import links
from frontend.plots.theme import LIGHT
from frontend.views import bounds, ids
from frontend.views.curves import Told
from tests.frontend.test_job_views import found, job, parts, scalar, text
from worker.contract.spec import AttackSpec, DiagnoseSpec


def shown(*names: str) -> list[Any]:
    items = [scalar(name, step, 1.0 + step) for name in names for step in (0, 10)]
    return bounds.over_time(Told(job(), items), LIGHT)


def test_both_bounds_are_drawn_over_what_is_measured() -> None:
    series = ("gradient/input", "gradient/bound", "diagnostic/spectral_bound/bound")
    figure = found(shown(*series), ids.plot("bounds-time")).figure
    drawn = [(trace.name, trace.fill) for trace in figure.data if trace.meta["series"]]
    assert drawn == [
        ("measured, mean", None),
        ("spectral bound", "tonexty"),
        ("WEISSI’s bound", "tonexty"),
    ]
    assert figure.layout.yaxis.type == "log"


def test_what_was_not_measured_is_told_with_the_way_to_it() -> None:
    part = shown("gradient/input")
    assert "step by step: bound tightness, spectral bound." in text(part)
    (link,) = [one.href for one in parts(part) if getattr(one, "href", None)]
    request = links.unpacked(link.partition("r=")[2])
    assert request is not None
    names = [one["name"] for one in request["spec"]["diagnostics"]]
    assert names == ["accuracy", "bound_tightness", "spectral_bound"], "none twice"


@pytest.mark.parametrize("over", ["weights", "inputs"])
@pytest.mark.parametrize("what", ["certificate", "attack", "layers"])
def test_buttons_ask_for_what_the_contract_knows(what: str, over: str) -> None:
    asked = bounds.request(what, "abc", over, 0.05, 100)
    spec = {"attack": AttackSpec, "diagnose": DiagnoseSpec}[asked["kind"]]
    read = TypeAdapter(spec).validate_python(asked["spec"])
    assert read.source == "abc"


def test_attack_and_certificate_share_their_budgets() -> None:
    grid = bounds.WAYS["weights"].grid(0.02)
    assert len(grid) == bounds.POINTS == bounds.certificate("weights", 0.02, 9)["points"]
    assert (grid[0], grid[-1]) == (0.0, 0.02)
    assert grid[1] == pytest.approx(0.02 * bounds.FINEST)


def test_a_ratio_of_norms_is_told_of_only_where_both_are_known() -> None:
    frobenius, spectral = "norm/layer/layer1", "diagnostic/spectral_norms/layer1"
    alone = bounds.layers(LIGHT, None, "1 s", [frobenius])
    assert bounds.FROBENIUS in text(alone)
    assert bounds.RATIO in text(bounds.layers(LIGHT, None, "1 s", [frobenius, spectral]))
