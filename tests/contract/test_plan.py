"""A plan's shapes and costs, against arithmetic done by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.contract import plan

MLP = plan.parse(
    [
        {"op": "flatten"},
        {"op": "each", "of": "hidden", "layers": [{"op": "linear", "out": "item"}, {"op": "relu"}]},
        {"op": "linear", "out": "classes"},
    ]
)


def test_an_mlp_by_hand() -> None:
    layers = plan.resolve(MLP, {"hidden": [128, 128], "classes": 10})
    found = plan.cost(layers, (1, 8, 8))
    assert found.parameters == 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert found.macs == 64 * 128 + 128 * 128 + 128 * 10
    assert found.activations == 64 + 4 * 128 + 10


def test_a_convolution_by_hand() -> None:
    layers = plan.resolve(plan.parse([{"op": "conv", "out": 8, "kernel": 5, "padding": 2}]), {})
    found = plan.cost(layers, (3, 32, 32))
    assert found.parameters == 8 * (3 * 25 + 1)
    assert found.macs == 8 * 32 * 32 * 3 * 25


def test_a_layer_without_bias_has_one_number_less_an_output() -> None:
    with_bias, without = (
        plan.cost([plan.Linear(out=7, bias=bias)], (5,)).parameters for bias in (True, False)
    )
    assert with_bias - without == 7


@pytest.mark.parametrize(
    ("layers", "shape", "reason"),
    [
        ([{"op": "conv", "out": 4}], (2,), "needs images"),
        ([{"op": "linear", "out": 4}], (1, 8, 8), "flatten"),
        ([{"op": "max_pool", "size": 2}] * 4, (1, 8, 8), "too small"),
    ],
)
def test_a_plan_that_does_not_fit_says_why(
    layers: list[dict[str, object]], shape: tuple[int, ...], reason: str
) -> None:
    with pytest.raises(plan.PlanError, match=reason):
        plan.walk(plan.resolve(plan.parse(layers), {}), shape)


@given(st.lists(st.integers(1, 64), max_size=6), st.integers(2, 20))
def test_each_makes_one_layer_an_item(hidden: list[int], classes: int) -> None:
    layers = plan.resolve(MLP, {"hidden": hidden, "classes": classes})
    widths = [int(layer.out) for layer in layers if isinstance(layer, plan.Linear)]
    assert widths == [*hidden, classes]


@pytest.mark.parametrize(("depth", "layers"), [("11", 1), ("13", 2), ("16", 3)])
def test_when_asks_for_a_truth_or_for_one_of_several_values(depth: str, layers: int) -> None:
    conv = {"op": "conv", "out": 4}
    asked = [
        {"op": "when", "of": "depth", "among": among, "layers": [conv]}
        for among in (["11", "13", "16"], ["13", "16"], ["16"])
    ]
    asked.append({"op": "when", "of": "norm", "layers": [{"op": "batch_norm"}]})
    for norm in (False, True):
        found = plan.resolve(plan.parse(asked), {"depth": depth, "norm": norm})
        assert [layer.op for layer in found] == ["conv"] * layers + ["batch_norm"] * norm


def test_a_residual_block_costs_what_its_branch_and_its_shortcut_cost() -> None:
    branch = [{"op": "conv", "out": 6, "stride": 2}, {"op": "batch_norm"}, {"op": "relu"}]
    shortcut = [{"op": "conv", "out": 6, "kernel": 1, "stride": 2, "padding": 0, "bias": False}]
    block = {"op": "residual", "branch": branch, "shortcut": shortcut}
    found = plan.cost(plan.resolve(plan.parse([block]), {}), (4, 8, 8))
    assert found.parameters == 6 * (4 * 9 + 1) + 2 * 6 + 6 * 4
    assert found.macs == 16 * 6 * (4 * 9) + 16 * 6 * 4


def test_ends_of_a_block_that_do_not_meet_are_refused() -> None:
    block = {"op": "residual", "branch": [{"op": "conv", "out": 6}]}
    with pytest.raises(plan.PlanError, match="shortcut"):
        plan.walk(plan.resolve(plan.parse([block]), {}), (4, 8, 8))
