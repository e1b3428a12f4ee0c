"""Every benchmark, or the ones named: python -m bench [training latency ...]. `load` and
`trackers` take ten minutes each and run by their names alone.

Ratios are taken within one run, in turns, so that a noisy machine disturbs both sides alike.
"""

from __future__ import annotations

import importlib
import sys

from bench.table import Row, show

ALL = (
    *("training", "methods", "sink", "attacks", "store", "start", "latency", "cancel"),
    *("browser", "live"),
)


def main(names: list[str]) -> None:
    show(Row("what", "figure", "goal", "note"))
    for name in names or ALL:
        for row in importlib.import_module(f"bench.{name}").rows():
            show(row)


if __name__ == "__main__":
    main(sys.argv[1:])
