"""Numbers and times as people read them: rounded to what they mean."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

JOINT = "\N{NO-BREAK SPACE}"
"""Between thousands: no line ends within a number."""
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 3) -> str:
    """`digits` significant digits: 0.123, 1 240, 1.24 × 10⁻⁴; not-a-number as a word."""
    value = _float(value)
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if -3 <= exponent < 6:
        return f"{value:,.{max(digits - 1 - exponent, 0)}f}".replace(",", JOINT).replace("-", "−")
    raised = str(exponent).translate(_SUPERSCRIPT)
    return f"{mantissa} × 10{raised}".replace("-", "−")


def percent(value: Any, digits: int = 1) -> str:
    """A share of one: 92.8 %."""
    value = _float(value)
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f} %"


def count(value: Any) -> str:
    """12 345, or 1.2 million."""
    value = _float(value)
    if value is None:
        return "–"
    if abs(value) >= 1e9:
        return f"{value / 1e9:.3g} billion"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} million"
    return f"{value:,.0f}".replace(",", JOINT)


def size(value: Any) -> str:
    """Bytes: 3.4 MB."""
    value = _float(value)
    if value is None:
        return "–"
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= scale:
            return (
                f"{value / scale:.2g} {unit}"
                if value < 10 * scale
                else (f"{value / scale:.0f} {unit}")
            )
    return f"{value:.0f} B"


def duration(seconds: Any) -> str:
    """under 0.1 s, 0.4 s, 12 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    value = _float(seconds)
    if value is None or not math.isfinite(value):
        return "–"
    if value < 0.05:
        return "under 0.1 s"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    for large, small, scale in (("d", "h", 86400), ("h", "min", 3600), ("min", "s", 60)):
        if whole >= scale:
            step = {86400: 3600, 3600: 60, 60: 1}[scale]
            rest = whole % scale // step
            return (
                f"{whole // scale} {large} {rest} {small}" if rest else f"{whole // scale} {large}"
            )
    return f"{whole} s"


def cost(value: Any) -> str:
    """A preset's cost, told in words or as seconds."""
    if isinstance(value, int | float):
        return f"about {duration(value)}"
    return str(value) if value else ""


def moment(value: Any) -> datetime | None:
    """A time of the API, seconds or ISO 8601, as a datetime in UTC."""
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str) and value:
        found = datetime.fromisoformat(value)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def ago(value: Any, now: datetime | None = None) -> str:
    """How long ago: "just now", "5 min ago"."""
    then = moment(value)
    if then is None:
        return "–"
    passed = ((now or datetime.now(UTC)) - then).total_seconds()
    for unit, scale in (("d", 86400), ("h", 3600), ("min", 60)):
        if passed >= scale:
            return f"{passed // scale:.0f} {unit} ago"
    return "just now"


def _float(value: Any) -> float | None:
    """A REST number, "nan" and "inf" included; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except ValueError:
        return None
