"""The scripts' pure parts, asked in the browser: statistics, values of a sweep, numbers, ticks."""

from __future__ import annotations

import math
from typing import Any

import pytest
from playwright.sync_api import Browser

from frontend import words
from tests.e2e.explorer import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("explorer")]

CHANCE = "what tells them apart may be chance, another seed moves it"
ASSETS = ROOT / "frontend/assets"
QUESTIONS = """() => {
    const { kendall, interval, smoothed, band } = window.normscope.stats;
    const { values } = window.normscope.sweepform;
    const { linear, log } = window.normscope.ticks;
    const texts = (ticks) => ticks.map(({ text }) => text);
    const xs = [1, 2, 3, 4, 5, 6, 7, 8];
    const gap = smoothed([0, NaN, 8], 0.5);
    const step = { x: [0, 10], y: [0, 10] };
    return {
        alike: kendall([1, 2, 3], [2, 4, 9]),
        reversed: kendall([1, 2, 3], [3, 2, 1]),
        onePairTurned: kendall([1, 2, 3, 4], [1, 2, 4, 3]),
        tied: kendall([1, 1, 2], [1, 2, 3]),
        constant: kendall([1, 1, 1], [1, 2, 3]),
        sure: interval(xs, xs),
        unsure: interval(xs, [3, 8, 1, 5, 2, 7, 6, 4]),
        again: interval(xs, [3, 8, 1, 5, 2, 7, 6, 4]),
        raw: smoothed([1, 5, 2], 0),
        level: smoothed([4, 4, 4], 0.9),
        gap,
        band: band([step, { x: [0, 5, 10], y: [2, 2, 2] }]),
        short: band([{ x: [0, 10], y: [1, 1] }, { x: [0, 4, 10, 20], y: [3, 3, 3, 3] }]),
        list: values("1, 2.5,1e-3", 0),
        ratios: values("0.001..1 x4", 0),
        steps: values("1..9 by 2", 0),
        counted: values("0..3", 0),
        endless: values("0..3 by 0", 0),
        names: values("sgd, adamw", "sgd"),
        truths: values("true, false", true),
        lists: values("64; 64 32", [128]),
        none: values(" , ", 0),
        tens: texts(linear(0, 42, 5)),
        parts: texts(linear(-0.3, 0.31, 3)),
        thousands: texts(linear(0, 21000, 3)),
        decades: texts(log(0.001, 100, 6)),
        within: texts(log(0.3, 6, 6)),
        close: texts(log(0.1, 0.2, 5)),
        numbers: [0.12345, 1234.6, -2.5, 1.2e-4, 3e9, 999999.9, 0, "nan", "-inf", null]
            .map((value) => window.normscope.numbers.number(value)),
        spread: [[2, 2], [2, 1], [1, 1], []]
            .map((counts) => window.normscope.sweep.scatter(counts)),
        table: window.normscope.csv([["=1+1", "@a", -2, "-inf"], ['a"b', null, "x,y", 0]]),
        chosen: [0.05, 8 / 255, 2, 1e-5].map((value) => window.normscope.numbers.exact(value, 3)),
    };
}"""


@pytest.fixture(scope="module")
def answers(browser: Browser) -> dict[str, Any]:
    """All answers of one page that has these scripts and nothing else."""
    page = browser.new_page()
    for script in ("stats.js", "sweepform.js", "numbers.js", "ticks.js", "sweep.js", "csv.js"):
        page.add_script_tag(path=ASSETS / script)
    found: dict[str, Any] = page.evaluate(QUESTIONS)
    page.close()
    return found


def test_kendalls_tau_counts_pairs_and_ties(answers: dict[str, Any]) -> None:
    assert (answers["alike"], answers["reversed"]) == (1, -1)
    assert answers["onePairTurned"] == pytest.approx(4 / 6)  # 5 pairs agree, 1 does not
    assert answers["tied"] == pytest.approx(2 / math.sqrt(2 * 3))  # tau-b
    assert answers["constant"] is None


def test_the_interval_of_tau_is_wide_without_order_and_the_same_each_time(
    answers: dict[str, Any],
) -> None:
    assert answers["sure"] == [pytest.approx(1), pytest.approx(1)]
    low, high = answers["unsure"]
    assert -1 <= low < 0 < high <= 1
    assert answers["again"] == answers["unsure"]


def test_smoothing_starts_without_bias_and_leaves_gaps(answers: dict[str, Any]) -> None:
    assert answers["raw"] == [1, 5, 2]
    assert answers["level"] == pytest.approx([4, 4, 4])
    assert answers["gap"] == [0, None, pytest.approx(8 / 1.5)]


def test_a_band_reads_lines_between_their_points_and_only_where_they_reach(
    answers: dict[str, Any],
) -> None:
    band = answers["band"]
    assert band["x"] == [0, 5, 10]
    assert band["mean"] == pytest.approx([1, 3.5, 6])
    spread = [math.sqrt(2), math.sqrt(4.5), math.sqrt(32)]
    assert band["high"] == pytest.approx([m + s for m, s in zip(band["mean"], spread, strict=True)])
    assert band["low"] == pytest.approx([m - s for m, s in zip(band["mean"], spread, strict=True)])
    assert answers["short"]["mean"] == [2, 2, 2, 3]


def test_values_of_a_sweep_as_a_person_writes_them(answers: dict[str, Any]) -> None:
    assert answers["list"] == [1, 2.5, 0.001]
    assert answers["ratios"] == [0.001, 0.01, 0.1, 1]
    assert answers["steps"] == [1, 3, 5, 7, 9]
    assert answers["counted"] == [0, 1, 2, 3]
    assert answers["endless"] == answers["none"] == []
    assert answers["names"] == ["sgd", "adamw"]
    assert answers["truths"] == [True, False]
    assert answers["lists"] == [[64], [64, 32]]


def test_one_job_has_no_standard_deviation(answers: dict[str, Any]) -> None:
    all_, some, single, none = answers["spread"]
    assert "one standard deviation" in all_
    assert some == f"{all_}, where there is more than one"
    assert single == "one job at each value: " + CHANCE
    assert none == "no job has succeeded yet"


def test_scripts_write_numbers_as_the_server_does(answers: dict[str, Any]) -> None:
    values = [0.12345, 1234.6, -2.5, 1.2e-4, 3e9, 999999.9, 0, "nan", "-inf", None]
    assert answers["numbers"] == [words.number(value) for value in values]
    assert answers["chosen"] == ["0.05", "0.0314", "2", "1 × 10⁻⁵"]


def test_ticks_are_round_numbers_and_decades_powers(answers: dict[str, Any]) -> None:
    assert answers["tens"] == ["0", "10", "20", "30", "40"]
    assert answers["parts"] == ["−0.2", "0.0", "0.2"]
    assert answers["thousands"] == ["0", "5000", "10 000", "15 000", "20 000"]
    assert answers["decades"] == ["10⁻³", "10⁻²", "10⁻¹", "10⁰", "10¹", "10²"]
    assert answers["within"] == ["0.5", "1", "2", "5"]
    assert answers["close"] == ["0.10", "0.12", "0.14", "0.16", "0.18", "0.20"]


def test_no_name_is_a_formula_in_a_spreadsheet(answers: dict[str, Any]) -> None:
    assert answers["table"] == '\'=1+1,\'@a,-2,-inf\n"a""b",,"x,y",0\n'
