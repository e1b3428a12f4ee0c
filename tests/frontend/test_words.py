"""Numbers and times as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from frontend import words
from frontend.settings import Settings


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"),
        (1234.5, "1\N{NO-BREAK SPACE}234"),
        (-2.5, "−2.50"),
        (1.2e-4, "1.20 × 10⁻⁴"),
        (3e9, "3.00 × 10⁹"),
        (0, "0"),
        ("nan", "not a number"),
        ("-inf", "−∞"),
        (None, "–"),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.4 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (90000, "1 d 1 h"),
        ("inf", "–"),
    ],
)
def test_durations(seconds: Any, text: str) -> None:
    assert words.duration(seconds) == text


def test_shares_counts_and_sizes() -> None:
    assert words.percent(0.9284) == "92.8 %"
    assert words.count(26122) == "26\N{NO-BREAK SPACE}122"
    assert words.count(3.4e6) == "3.4 million"
    assert words.size(1.24e6) == "1.2 MB"
    assert words.size(640e6) == "640 MB"


def test_times_of_both_forms() -> None:
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    then = now - timedelta(minutes=5)
    assert words.ago(then.timestamp(), now) == "5 min ago"
    assert words.ago(then.isoformat().replace("+00:00", "Z"), now) == "5 min ago"
    assert words.ago(None, now) == "–"


def test_settings_from_the_environment() -> None:
    found = Settings.from_env(
        {"NORMSCOPE_HOST": "0.0.0.0", "NORMSCOPE_API_PORT": "9", "NORMSCOPE_ALLOWED_HOSTS": "a, B"}
    )
    assert found.api_url == "http://127.0.0.1:9"
    assert {"localhost", "0.0.0.0", "a", "b"} <= found.allowed_hosts
    assert Settings.from_env({"NORMSCOPE_API_URL": "http://api:1/"}).api_url == "http://api:1"
