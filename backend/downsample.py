"""Fewer points that keep every spike: the least and the greatest of each bucket."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def chosen(values: Sequence[float | None], most: int) -> list[int]:
    """Indices, ascending, of at most `most` (4 or more) of the values, None being NaN.

    The first, the last, the least and the greatest finite value are among them, and some of the
    values that are not finite, where there are any.
    """
    if len(values) <= most:
        return list(range(len(values)))
    data = np.array(values, dtype=np.float64)
    finite = np.isfinite(data)
    kinds = 2 if finite.all() else 3
    buckets = max(1, (most - 2) // kinds)
    edges = np.linspace(0, len(data), buckets + 1).astype(np.int64)
    starts = edges[:-1]
    low = _first_where(np.where(finite, data, np.inf), np.minimum, edges)
    high = _first_where(np.where(finite, data, -np.inf), np.maximum, edges)
    found = [np.array([0, len(data) - 1]), low, high]
    if kinds == 3:
        broken = _first_where(np.where(finite, 0.0, 1.0), np.maximum, edges)
        found.append(broken[np.logical_or.reduceat(~finite, starts)])
    picked: list[int] = np.unique(np.concatenate(found)).tolist()
    return picked if len(picked) <= most else _fewest(data, finite, most)


def _first_where(data: np.ndarray, extreme: np.ufunc, edges: np.ndarray) -> np.ndarray:
    """The first index in each bucket at which the bucket's extreme is taken."""
    best = extreme.reduceat(data, edges[:-1])
    hits = np.flatnonzero(data == np.repeat(best, np.diff(edges)))
    first: np.ndarray = hits[np.searchsorted(hits, edges[:-1])]
    return first


def _fewest(data: np.ndarray, finite: np.ndarray, most: int) -> list[int]:
    """For a budget too small for one bucket: ends, extremes, something that is not finite."""
    wanted = [0, len(data) - 1]
    if finite.any():
        wanted += [int(np.where(finite, data, np.inf).argmin())]
        wanted += [int(np.where(finite, data, -np.inf).argmax())]
    wanted += [int(index) for index in np.flatnonzero(~finite)[:1]]
    kept = sorted(dict.fromkeys(wanted), key=wanted.index)
    return sorted(kept[2:most] + kept[: max(0, most - len(kept[2:]))])
