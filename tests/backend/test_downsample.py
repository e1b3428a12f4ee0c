"""Down-sampling hides no spike; cursors survive being written down."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.cursor import Cursor, format_many, parse_many
from backend.downsample import chosen

values = st.lists(
    st.one_of(st.none(), st.floats(allow_nan=False), st.floats(-1, 1)), min_size=1, max_size=400
)


@given(values, st.integers(4, 60))
def test_the_least_and_the_greatest_survive(data: list[float | None], most: int) -> None:
    indices = chosen(data, most)
    assert indices == sorted(set(indices))
    assert len(indices) <= most
    kept = [data[index] for index in indices]
    finite = [value for value in data if value is not None and math.isfinite(value)]
    if finite:
        left = [value for value in kept if value is not None and math.isfinite(value)]
        assert min(finite) == min(left)
        assert max(finite) == max(left)
    if len(data) <= most:
        assert kept == data


@given(values, st.integers(5, 60))
def test_what_is_not_finite_survives(data: list[float | None], most: int) -> None:
    def broken(found: list[float | None]) -> bool:
        return any(value is None or not math.isfinite(value) for value in found)

    assert broken(data) == broken([data[index] for index in chosen(data, most)])


@given(st.lists(st.floats(-1e9, 1e9), min_size=100, max_size=400), st.integers(10, 90))
def test_the_ends_survive(data: list[float | None], most: int) -> None:
    indices = chosen(data, most)
    assert indices[0] == 0
    assert indices[-1] == len(data) - 1


def test_most_of_the_budget_is_used() -> None:
    assert 1900 <= len(chosen([math.sin(n) for n in range(100_000)], 2000)) <= 2000


cursors = st.builds(Cursor, st.integers(1, 999_999_999), st.integers(0, 10**15 - 1))


@given(cursors)
def test_a_cursor_survives_its_text(cursor: Cursor) -> None:
    assert Cursor.parse(str(cursor)) == cursor


@given(cursors, cursors)
def test_cursors_are_ordered_by_attempt_then_number(one: Cursor, other: Cursor) -> None:
    assert (one < other) == ((one.attempt, one.seq) < (other.attempt, other.seq))
    assert Cursor() < one


@given(st.dictionaries(st.from_regex(r"[a-z2-7]{1,12}", fullmatch=True), cursors, min_size=1))
def test_several_survive_together(found: dict[str, Cursor]) -> None:
    assert parse_many(format_many(found)) == found


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "-1.2", "1.2.3", "１.2", "1.2 ", "a"])
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        Cursor.parse(text)
