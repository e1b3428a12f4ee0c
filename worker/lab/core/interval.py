"""How sure a share of n examples is."""

from __future__ import annotations

from math import sqrt

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a share of hits out of n (E. B. Wilson, 1927), 95 % by default.

    (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n); unlike p ± z√(p(1−p)/n) it keeps within
    [0, 1] and does not vanish at p = 0 or 1. n = 0 gives (0, 1).
    """
    if n == 0:
        return 0.0, 1.0
    p, spread = hits / n, z * z / n
    middle = p + spread / 2
    reach = z * sqrt(p * (1 - p) / n + spread / (4 * n))
    low, high = (middle - reach) / (1 + spread), (middle + reach) / (1 + spread)
    # Exact at the ends, where rounding would leave some 1e-17.
    return (0.0 if hits == 0 else low), (1.0 if hits == n else high)
