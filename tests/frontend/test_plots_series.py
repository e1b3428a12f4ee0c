"""Series plots: pure functions of measurements."""

from __future__ import annotations

import math
from typing import Any

import pytest

from frontend.plots.board import cards, expected
from frontend.plots.series import Line, Series, YAxis, gather, lines, smoothed
from frontend.plots.theme import DARK, LIGHT, nth, swaps


def point(name: str, step: int, value: Any, *, seq: int = 0, attempt: int = 1) -> dict[str, Any]:
    return {
        "name": name,
        "seq": seq or step,
        "attempt": attempt,
        "step": step,
        "epoch": step / 10,
        "time": 100.0 + step / 2,
        "shape": "scalar",
        "value": value,
    }


def test_gather_keeps_the_three_measures_of_x() -> None:
    found = gather([point("train/loss", 1, 2.0), point("train/loss", 4, 1.0)], began=100.0)
    series = found["train/loss"]
    assert (series.step, series.epoch, series.time) == ([1, 4], [0.1, 0.4], [0.5, 2.0])
    assert (series.first, series.last, series.seq) == (2.0, 1.0, 4)


def test_gather_shows_the_newest_attempt_alone() -> None:
    items = [point("a", 1, 1.0), point("a", 2, 2.0), point("a", 1, 5.0, attempt=2)]
    assert gather(items)["a"].value == [5.0]


def test_steps_told_out_of_order_are_drawn_in_order() -> None:
    series = gather([point("a", 5, 1.0, seq=1), point("a", 3, 2.0, seq=2)])["a"]
    assert (series.step, series.value, series.seq) == ([3, 5], [2.0, 1.0], 2)


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_what_is_not_finite_is_a_gap_and_a_cross(word: str) -> None:
    items = [
        point("train/loss", 1, 2.0),
        point("train/loss", 2, word),
        point("train/loss", 3, word),
    ]
    found = gather(items)
    assert found["train/loss"].value == [2.0, None, None]
    figure = lines(LIGHT, [Line("train/loss", "total", "ink")], found, YAxis("loss (nats)"))
    line, cross = figure.data
    assert list(line.y) == [2.0, None, None]
    assert line.connectgaps is False
    assert (list(cross.x), list(cross.y)) == ([2], [2.0])
    assert cross.text[0] == f"total became {word} at step 2"
    assert not cross.showlegend


def test_a_cross_at_the_edge_has_its_words_towards_the_middle() -> None:
    steps = [point("loss", step, 1.0 if step not in (0, 9) else "nan") for step in range(10)]
    other = [point("other", step, 1.0 if step < 9 else "inf") for step in range(10)]
    drawn = [Line("loss", "loss", "ink"), Line("other", "other", "ink")]
    cross = lines(LIGHT, drawn, gather([*steps, *other]), YAxis("loss")).data[-1]
    assert list(cross.textposition) == ["middle right", "middle left"]


def test_axes_are_named_with_their_units() -> None:
    found = gather([point("g", 1, 0.5)])
    drawn = [Line("g", "mean", "sky")]
    for along, title in (
        ("step", "step"),
        ("epoch", "epoch"),
        ("time", "seconds since start"),
    ):
        figure = lines(LIGHT, drawn, found, YAxis("‖∇ₓ CE‖₂ (nats per input unit)"), along=along)  # type: ignore[arg-type]
        assert figure.layout.xaxis.title.text == title
        assert list(figure.data[0].x) == list(figure.data[0].meta[along])
        assert "nats" in figure.layout.yaxis.title.text


def test_log_axes_show_decades_as_powers() -> None:
    figure = lines(
        LIGHT, [Line("g", "g", "sky")], gather([point("g", 1, 5.0)]), YAxis("g", log=True)
    )
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.exponentformat == "power"


def test_traces_carry_what_a_script_needs_to_go_on() -> None:
    drawn = [Line("g", "raw", "sky"), Line("g", "smoothed", "sky", role="smooth")]
    figure = lines(LIGHT, drawn, gather([point("g", 3, 5.0, seq=7)]), YAxis("g"), tau=9.0)
    raw, smooth, _ = figure.data
    assert raw.meta["series"] == smooth.meta["series"] == "g"
    assert (raw.meta["role"], smooth.meta["role"]) == ("line", "smooth")
    assert (raw.meta["seq"], smooth.meta["tau"]) == (7, 9.0)
    assert figure.layout.uirevision
    assert figure.layout.height


def test_the_gap_below_a_bound_is_shaded() -> None:
    (card,) = cards(["gradient/input", "gradient/input_max", "gradient/bound_max"], {})
    figure = lines(LIGHT, card.lines, {}, card.y)
    bound = next(trace for trace in figure.data if trace.meta["series"] == "gradient/bound_max")
    assert bound.fill == "tonexty"
    before = figure.data[list(figure.data).index(bound) - 1]
    assert before.meta["series"] == "gradient/input_max"


def test_smoothing_forgets_by_steps_and_starts_anew_after_a_gap() -> None:
    assert smoothed([0, 10, 20], [1.0, 1.0, 1.0], 5) == pytest.approx([1.0, 1.0, 1.0])
    keep = math.exp(-2)
    assert smoothed([990, 1000], [0.0, 1.0], 5)[1] == pytest.approx(1 / (1 + keep))
    early = math.exp(-10 / 1.8)
    assert smoothed([0, 10], [0.0, 1.0], 500)[1] == pytest.approx(1 / (1 + early))
    assert smoothed([0, 1, 2], [1.0, None, 9.0], 5) == [1.0, None, 9.0]
    assert smoothed([], [], 5) == []


def test_every_known_series_has_a_card_and_none_is_lost() -> None:
    names = expected(
        ["cross_entropy", "weissi"],
        ["accuracy", "intrinsic_norms", "layer_norms", "input_gradient", "bound_tightness"],
        "cosine",
    )
    names += ["test/loss", "norm/layer/layer2", "diagnostic/margin/mean", "diagnostic/margin/min"]
    found = cards(names, {"weissi": "WEISSI"}, constant_rate=False)
    assert [card.key for card in found] == [
        "loss",
        "accuracy",
        "norm",
        "gradient",
        "tightness",
        "rate",
        "diagnostic-margin",
    ]
    shown = {name for card in found for name in card.series}
    assert set(names) <= shown
    labels = [line.label for line in found[0].lines]
    assert labels[:3] == ["cross-entropy, batch", "cross-entropy, smoothed", "WEISSI"]


def test_a_constant_learning_rate_has_no_card() -> None:
    names = ["train/loss/cross_entropy", "train/loss", "learning_rate"]
    assert [card.key for card in cards(names, {})] == ["loss"]
    assert "rate" in [card.key for card in cards(names, {}, constant_rate=False)]


def test_a_plot_without_data_says_nothing_false() -> None:
    figure = lines(LIGHT, [Line("g", "g", "sky")], {}, YAxis("accuracy", percent=True))
    assert list(figure.layout.yaxis.range) == [0, 1]
    assert list(figure.data[0].y) == []
    assert Series("g").last is None


def test_themes_swap_one_to_one() -> None:
    light, dark = zip(*swaps(), strict=True)
    assert len(set(light)) == len(light)
    assert len(set(dark)) == len(dark)
    assert LIGHT.vermillion == "#d55e00"
    assert not set(light) & set(dark)
    assert DARK.ink != LIGHT.ink


def test_no_two_of_many_series_look_alike_in_grey() -> None:
    looks = [nth(index) for index in range(35)]
    assert len(set(looks)) == 35
